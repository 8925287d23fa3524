package apply

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
)

// one runs operations one after the other, so that their order is certain.
func one(o *Options) { o.Parallelism = 1 }

// TestWalk is the list of what is done, and in which order.
func TestWalk(t *testing.T) {
	tests := map[string]struct {
		desired  []config
		there    []config
		prepare  func(*sim)
		steps    []string
		skips    []string
		problems []string
		done     Counts
		failed   Counts
		skipped  Counts
		recorded []string // what is on record in the end; nil: not looked at
	}{
		"nothing": {desired: []config{{name: "thing.a"}}, there: []config{{name: "thing.a"}}},
		"a chain": {
			desired:  []config{{name: "thing.z"}, {name: "thing.m", note: "$thing.z", on: []string{"thing.z"}}, {name: "thing.a", note: "$thing.m", on: []string{"thing.m"}}},
			steps:    []string{"create thing.z", "create thing.m", "create thing.a"},
			done:     Counts{plan.Create: 3},
			recorded: []string{"thing.a", "thing.m", "thing.z"},
		},
		"all is deleted, dependants first": {
			there: []config{{name: "thing.a"}, {name: "thing.b", on: []string{"thing.a"}}, {name: "thing.c", on: []string{"thing.b"}}},
			steps: []string{"delete thing.c", "delete thing.b", "delete thing.a"},
			done:  Counts{plan.Delete: 3}, recorded: []string{},
		},
		"a failure stops only what depends on it": {
			desired:  []config{{name: "thing.a"}, {name: "thing.b", on: []string{"thing.a"}}, {name: "thing.c", on: []string{"thing.b"}}, {name: "thing.d"}},
			prepare:  func(s *sim) { s.fail["create thing.a"] = "" },
			steps:    []string{"create thing.a", "create thing.d"},
			skips:    []string{"thing.b because of thing.a", "thing.c because of thing.a"},
			problems: []string{"thing.a: broken: create thing.a"},
			done:     Counts{plan.Create: 1}, failed: Counts{plan.Create: 1}, skipped: Counts{plan.Create: 2},
			recorded: []string{"thing.d"},
		},
		"a failure behind one that stays": {
			desired:  []config{{name: "thing.a"}, {name: "thing.b", on: []string{"thing.a"}}, {name: "thing.c", on: []string{"thing.b"}}},
			there:    []config{{name: "thing.b"}},
			prepare:  func(s *sim) { s.fail["create thing.a"] = "" },
			steps:    []string{"create thing.a"},
			skips:    []string{"thing.c because of thing.a"},
			problems: []string{"thing.a: broken: create thing.a"},
			failed:   Counts{plan.Create: 1}, skipped: Counts{plan.Create: 1},
		},
		"half made": {
			desired:  []config{{name: "thing.a"}},
			prepare:  func(s *sim) { s.fail["create thing.a"] = "half" },
			steps:    []string{"create thing.a"},
			problems: []string{"thing.a: broken: create thing.a"},
			failed:   Counts{plan.Create: 1}, recorded: []string{"thing.a tainted"},
		},
		"nobody knows what was made": {
			desired:  []config{{name: "thing.a"}},
			prepare:  func(s *sim) { s.fail["create thing.a"] = "silent" },
			steps:    []string{"create thing.a"},
			problems: []string{"thing.a: broken: create thing.a"},
			failed:   Counts{plan.Create: 1}, recorded: []string{"open create thing.a"},
		},
		"a failed delete keeps the record": {
			there:    []config{{name: "thing.a"}, {name: "thing.b", on: []string{"thing.a"}}},
			prepare:  func(s *sim) { s.fail["delete thing.b"] = "" },
			steps:    []string{"delete thing.b"},
			skips:    []string{"thing.a because of thing.b"},
			problems: []string{"thing.b: broken: delete thing.b"},
			failed:   Counts{plan.Delete: 1}, skipped: Counts{plan.Delete: 1}, recorded: []string{"thing.a", "thing.b"},
		},
		"a failed delete of what was half made": {
			desired: []config{{name: "thing.b"}},
			there:   []config{{name: "thing.a"}, {name: "thing.b"}},
			prepare: func(s *sim) {
				for _, name := range []string{"thing.a", "thing.b"} {
					half := s.recorded[name]
					half.Tainted = true
					s.recorded[name], s.fail["delete "+name] = half, ""
				}
			},
			steps:    []string{"delete thing.a", "delete thing.b"},
			problems: []string{"thing.a: broken: delete thing.a", "thing.b: broken: delete thing.b"},
			failed:   Counts{plan.Delete: 1, plan.Replace: 1}, recorded: []string{"thing.a tainted", "thing.b tainted"},
		},
		"a failed update keeps the record": {
			desired:  []config{{name: "thing.a", note: "new"}},
			there:    []config{{name: "thing.a", note: "old"}},
			prepare:  func(s *sim) { s.fail["update thing.a"] = "" },
			steps:    []string{"update thing.a"},
			problems: []string{"thing.a: broken: update thing.a"},
			failed:   Counts{plan.Update: 1}, recorded: []string{"thing.a"},
		},
		"replaced": {
			desired: []config{{name: "thing.a", image: "new"}}, there: []config{{name: "thing.a", image: "old"}},
			steps: []string{"delete thing.a", "create thing.a"},
			done:  Counts{plan.Replace: 1}, recorded: []string{"thing.a"},
		},
		"replaced, the new one first": {
			desired: []config{{name: "thing.a", image: "new", first: true}}, there: []config{{name: "thing.a", image: "old"}},
			steps: []string{"create thing.a", "delete thing.a'"},
			done:  Counts{plan.Replace: 1}, recorded: []string{"thing.a"},
		},
		"replaced, the new one first, and the old one stays": {
			desired: []config{{name: "thing.a", image: "new", first: true}}, there: []config{{name: "thing.a", image: "old"}},
			prepare:  func(s *sim) { s.fail["delete thing.a'"] = "" },
			steps:    []string{"create thing.a", "delete thing.a'"},
			problems: []string{"thing.a: broken: delete thing.a'"},
			failed:   Counts{plan.Replace: 1}, recorded: []string{"thing.a", "thing.a'"},
		},
		"replaced, the new one first, which fails": {
			desired: []config{{name: "thing.a", image: "new", first: true}}, there: []config{{name: "thing.a", image: "old"}},
			prepare:  func(s *sim) { s.fail["create thing.a"] = "" },
			steps:    []string{"create thing.a"},
			problems: []string{"thing.a: broken: create thing.a"},
			failed:   Counts{plan.Replace: 1}, recorded: []string{"thing.a"},
		},
		"replaced, the new one first, which is half made": {
			desired: []config{{name: "thing.a", image: "new", first: true}}, there: []config{{name: "thing.a", image: "old"}},
			prepare:  func(s *sim) { s.fail["create thing.a"] = "half" },
			steps:    []string{"create thing.a"},
			problems: []string{"thing.a: broken: create thing.a"},
			failed:   Counts{plan.Replace: 1}, recorded: []string{"thing.a tainted", "thing.a'"},
		},
		"replaced with what depends on it": {
			desired: []config{{name: "thing.a", image: "new"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}},
			there:   []config{{name: "thing.a", image: "old"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}},
			steps:   []string{"delete thing.b", "delete thing.a", "create thing.a", "create thing.b"},
			done:    Counts{plan.Replace: 2}, recorded: []string{"thing.a", "thing.b"},
		},
		"the old one stays when what the new one needs fails": {
			desired:  []config{{name: "thing.a"}, {name: "thing.b", image: "new", on: []string{"thing.a"}}},
			there:    []config{{name: "thing.b", image: "old"}},
			prepare:  func(s *sim) { s.fail["create thing.a"] = "" },
			steps:    []string{"create thing.a"},
			skips:    []string{"thing.b because of thing.a"},
			problems: []string{"thing.a: broken: create thing.a"},
			failed:   Counts{plan.Create: 1}, skipped: Counts{plan.Replace: 1}, recorded: []string{"thing.b"},
		},
		"deleted, and not made again": {
			desired:  []config{{name: "thing.a", image: "new"}},
			there:    []config{{name: "thing.a", image: "old"}},
			prepare:  func(s *sim) { s.fail["create thing.a"] = "" },
			steps:    []string{"delete thing.a", "create thing.a"},
			problems: []string{"thing.a: broken: create thing.a"},
			failed:   Counts{plan.Replace: 1}, recorded: []string{},
		},
		"an update that turns out to be none": {
			desired: []config{{name: "thing.a", note: "new"}, {name: "thing.b", note: "$thing.a", on: []string{"thing.a"}}},
			there:   []config{{name: "thing.a", note: "old"}, {name: "thing.b", note: "$thing.a", on: []string{"thing.a"}}},
			prepare: func(s *sim) {
				s.typ.CustomPlan = true
				s.refine = func(p plan.Proposal) plan.Refined { // the provider cannot promise the id
					v := p.Proposed
					if p.Addr == at("thing.a") {
						v = replaced(v, "id", cty.UnknownVal(cty.String))
					}
					return plan.Refined{Planned: v}
				}
				s.lie["update thing.a"] = object("id-t1", "", "new")
			},
			steps: []string{"update thing.a"},
			done:  Counts{plan.Update: 1, plan.NoOp: 1},
		},
		"a replacement that turns out to be none": {
			desired: []config{{name: "thing.a", note: "new"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}, {name: "thing.c", image: "$thing.b", on: []string{"thing.b"}}},
			there:   []config{{name: "thing.a", note: "old"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}, {name: "thing.c", image: "$thing.b", on: []string{"thing.b"}}},
			prepare: func(s *sim) {
				s.typ.CustomPlan = true
				s.refine = unsure("thing.a")
				s.lie["update thing.a"] = object("id-t1", "", "new")
			},
			steps: []string{"update thing.a"},
			done:  Counts{plan.Update: 1, plan.NoOp: 2},
		},
		"a replacement, new one first, that turns out to be none": {
			desired: []config{{name: "thing.a", note: "new"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}, first: true}},
			there:   []config{{name: "thing.a", note: "old"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}},
			prepare: func(s *sim) {
				s.typ.CustomPlan = true
				s.refine = unsure("thing.a")
				s.lie["update thing.a"] = object("id-t1", "", "new")
			},
			steps: []string{"update thing.a"},
			done:  Counts{plan.Update: 1, plan.NoOp: 1},
		},
		"a replacement that turns out to be an update": {
			desired: []config{{name: "thing.a", note: "new"}, {name: "thing.b", image: "$thing.a", note: "new", on: []string{"thing.a"}}},
			there:   []config{{name: "thing.a", note: "old"}, {name: "thing.b", image: "$thing.a", note: "old", on: []string{"thing.a"}}},
			prepare: func(s *sim) {
				s.typ.CustomPlan = true
				s.refine = unsure("thing.a")
				s.lie["update thing.a"] = object("id-t1", "", "new")
			},
			steps: []string{"update thing.a", "update thing.b"},
			done:  Counts{plan.Update: 2},
		},
		"a replacement that is one": {
			desired: []config{{name: "thing.a", note: "new"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}},
			there:   []config{{name: "thing.a", note: "old"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}},
			prepare: func(s *sim) {
				s.typ.CustomPlan = true
				s.refine = unsure("thing.a")
			},
			steps: []string{"update thing.a", "delete thing.b", "create thing.b"},
			done:  Counts{plan.Update: 1, plan.Replace: 1},
		},
		"a replacement that stands whatever becomes known": {
			desired: []config{{name: "thing.a", note: "new"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}},
			there:   []config{{name: "thing.a", note: "old"}, {name: "thing.b", image: "$thing.a", on: []string{"thing.a"}}},
			prepare: func(s *sim) {
				s.typ.CustomPlan = true
				s.refine = unsure("thing.a")
				s.lie["update thing.a"] = object("id-t1", "", "new")
				half := s.recorded["thing.b"]
				half.Tainted = true
				s.recorded["thing.b"] = half
			},
			steps: []string{"update thing.a", "delete thing.b", "create thing.b"},
			done:  Counts{plan.Update: 1, plan.Replace: 1},
		},
		"a replacement that nobody planned": {
			desired: []config{{name: "thing.a"}, {name: "thing.b", note: "$thing.a", on: []string{"thing.a"}}},
			there:   []config{{name: "thing.b", note: "old"}},
			prepare: func(s *sim) {
				s.typ.CustomPlan = true
				s.refine = func(p plan.Proposal) plan.Refined {
					r := plan.Refined{Planned: p.Proposed}
					if !p.Prior.IsNull() && p.Config.IsWhollyKnown() {
						r.Replace = []plan.Reason{{Path: cty.GetAttrPath("note")}}
					}
					return r
				}
			},
			steps:    []string{"create thing.a"},
			problems: []string{"thing.b: thing.b would have to be replaced"},
			done:     Counts{plan.Create: 1}, failed: Counts{plan.Update: 1},
		},
		"two answers": {
			desired: []config{{name: "thing.a"}, {name: "thing.b", image: "said", note: "$thing.a", on: []string{"thing.a"}}},
			prepare: func(s *sim) {
				s.evaluate = func(a addr.Instance, _ plan.Values) (cty.Value, bool) {
					return object("", "changed my mind", "n"), a == at("thing.b")
				}
			},
			steps:    []string{"create thing.a"},
			problems: []string{"thing.b: image is not what the plan said"},
			done:     Counts{plan.Create: 1}, failed: Counts{plan.Create: 1}, recorded: []string{"thing.a"},
		},
		"never known": {
			desired: []config{{name: "thing.a"}, {name: "thing.b", note: "$thing.a", on: []string{"thing.a"}}},
			prepare: func(s *sim) {
				s.evaluate = func(addr.Instance, plan.Values) (cty.Value, bool) {
					return replaced(object("", "", ""), "note", cty.UnknownVal(cty.String)), true
				}
			},
			steps:    []string{"create thing.a"},
			problems: []string{"thing.b: Still not known"},
			done:     Counts{plan.Create: 1}, failed: Counts{plan.Create: 1},
		},
		"another object than planned": {
			desired:  []config{{name: "thing.a", note: "n"}, {name: "thing.b", on: []string{"thing.a"}}},
			prepare:  func(s *sim) { s.lie["create thing.a"] = object("i", "", "m") },
			steps:    []string{"create thing.a"},
			skips:    []string{"thing.b because of thing.a"},
			problems: []string{"thing.a: Provider p made another object than it planned"},
			failed:   Counts{plan.Create: 1}, skipped: Counts{plan.Create: 1}, recorded: []string{"thing.a"},
		},
		"nothing made and no word of it": {
			desired:  []config{{name: "thing.a"}},
			prepare:  func(s *sim) { s.lie["create thing.a"] = cty.NullVal(object("", "", "").Type()) },
			steps:    []string{"create thing.a"},
			problems: []string{"thing.a: Provider p contradicts itself"},
			failed:   Counts{plan.Create: 1}, recorded: []string{},
		},
		"deleted and still there": {
			there:    []config{{name: "thing.a"}},
			prepare:  func(s *sim) { s.lie["delete thing.a"] = object("i", "", "") },
			steps:    []string{"delete thing.a"},
			problems: []string{"thing.a: Provider p contradicts itself"},
			failed:   Counts{plan.Delete: 1}, recorded: []string{"thing.a"},
		},
		"an unknown value in what was made": {
			desired:  []config{{name: "thing.a"}},
			prepare:  func(s *sim) { s.lie["create thing.a"] = replaced(object("", "", ""), "id", cty.UnknownVal(cty.String)) },
			steps:    []string{"create thing.a"},
			problems: []string{"thing.a: Provider p made an object"},
			failed:   Counts{plan.Create: 1}, recorded: []string{"thing.a"},
		},
		"an intent that cannot be written": {
			desired:  []config{{name: "thing.a"}, {name: "thing.b"}},
			prepare:  func(s *sim) { s.intent["create thing.a"] = true },
			skips:    []string{"thing.b"},
			problems: []string{"thing.a: The record cannot be written"},
			failed:   Counts{plan.Create: 1}, skipped: Counts{plan.Create: 1}, recorded: []string{},
		},
		"a result that cannot be written": {
			desired:  []config{{name: "thing.a"}, {name: "thing.b"}},
			prepare:  func(s *sim) { s.result["create thing.a"] = true },
			steps:    []string{"create thing.a"},
			skips:    []string{"thing.b"},
			problems: []string{"thing.a: The record cannot be written"},
			failed:   Counts{plan.Create: 1}, skipped: Counts{plan.Create: 1}, recorded: []string{"open create thing.a"},
		},
		"references of a deployment": {
			desired: []config{
				{name: `composition.w.d.thing["n"]`},
				{name: `composition.w.d.thing["a"]`, note: `$composition.w.d.thing["n"]`, references: true},
			},
			steps:    []string{`create composition.w.d.thing["n"]`, `create composition.w.d.thing["a"]`},
			done:     Counts{plan.Create: 2},
			recorded: []string{`composition.w.d.thing["a"]`, `composition.w.d.thing["n"]`},
		},
		"a whole block": {
			desired: []config{{name: `thing.a["x"]`}, {name: `thing.a["y"]`}, {name: "thing.b", note: `$thing.a["y"]`, on: []string{"thing.a"}}},
			steps:   []string{`create thing.a["x"]`, `create thing.a["y"]`, "create thing.b"},
			done:    Counts{plan.Create: 3},
		},
		"data that must wait": {
			desired: []config{{name: "thing.a"}, {name: "data.thing.d", note: "$thing.a", on: []string{"thing.a"}}, {name: "thing.b", note: "$data.thing.d", on: []string{"data.thing.d"}}},
			prepare: func(s *sim) {
				s.data = func(c cty.Value) (cty.Value, []plan.Problem) { return replaced(c, "id", str("read")), nil }
			},
			steps: []string{"create thing.a", "read data", "create thing.b"},
			done:  Counts{plan.Create: 2, plan.ReadLater: 1},
		},
		"data that fails": {
			desired: []config{{name: "thing.a"}, {name: "data.thing.d", note: "$thing.a", on: []string{"thing.a"}}, {name: "thing.b", note: "$data.thing.d", on: []string{"data.thing.d"}}},
			prepare: func(s *sim) {
				s.data = func(cty.Value) (cty.Value, []plan.Problem) { return cty.NilVal, []plan.Problem{{Summary: "no answer"}} }
			},
			steps:    []string{"create thing.a", "read data"},
			skips:    []string{"thing.b because of data.thing.d"},
			problems: []string{"data.thing.d: no answer"},
			done:     Counts{plan.Create: 1}, failed: Counts{plan.ReadLater: 1}, skipped: Counts{plan.Create: 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSim(test.desired...).there(test.there...)
			if test.prepare != nil {
				test.prepare(s)
			}
			r := s.apply(t, one)
			equal(t, "steps", s.steps(), test.steps)
			slices.Sort(s.skips)
			equal(t, "skipped", s.skips, test.skips)
			equal(t, "problems", summaries(r.Problems), test.problems)
			for what, counts := range map[string][2]Counts{"done": {r.Done, test.done}, "failed": {r.Failed, test.failed}, "skipped": {r.Skipped, test.skipped}} {
				if !maps.Equal(counts[0], counts[1]) && len(counts[0])+len(counts[1]) > 0 {
					t.Errorf("%s: got %v, want %v", what, counts[0], counts[1])
				}
			}
			if r.HasErrors() != (len(test.problems) > 0) {
				t.Errorf("got errors %v", r.HasErrors())
			}
			for name, p := range s.recorded {
				if !p.Current.IsWhollyKnown() {
					t.Errorf("%s is on record with unknown values", name)
				}
			}
			if test.recorded != nil {
				equal(t, "recorded", s.record(), test.recorded)
			}
		})
	}
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func replaced(o cty.Value, name string, v cty.Value) cty.Value {
	values := o.AsValueMap()
	values[name] = v
	return cty.ObjectVal(values)
}

// unsure is a provider that cannot say which id an updated object will have.
func unsure(name string) func(plan.Proposal) plan.Refined {
	return func(p plan.Proposal) plan.Refined {
		v := p.Proposed
		if p.Addr == at(name) {
			v = replaced(v, "id", cty.UnknownVal(cty.String))
		}
		return plan.Refined{Planned: v}
	}
}

// record lists what is on record.
func (s *sim) record() []string {
	out := []string{}
	for name, p := range s.recorded {
		if p.Tainted {
			name += " tainted"
		}
		out = append(out, name)
	}
	for step := range s.open {
		out = append(out, "open "+step)
	}
	slices.Sort(out)
	return out
}

func TestEventsSurroundAnOperation(t *testing.T) {
	s := newSim(config{name: "thing.a"})
	s.apply(t)
	equal(t, "log", s.log, []string{
		"intent create thing.a", "started create thing.a", "create thing.a", "at work create thing.a",
		"result create thing.a", "done create thing.a",
	})
}

func TestOperation(t *testing.T) {
	s := newSim(config{name: "thing.a", image: "new", first: true}, config{name: "thing.b", note: "new"}).
		there(config{name: "thing.a", image: "old"}, config{name: "thing.b", note: "old"}, config{name: "thing.c"})
	var ops []Operation
	p, _ := s.plan()
	o := s.options(p)
	o.Parallelism = 1
	o.Executor = seen{s, func(op Operation) { ops = append(ops, op) }}
	Run(context.Background(), o)
	if len(ops) != 4 {
		t.Fatalf("got %d operations", len(ops))
	}
	for _, op := range ops {
		prior, planned, attempt := true, true, ""
		switch stepOf(op) {
		case "create thing.a":
			prior, attempt = false, "n1"
		case "delete thing.a'":
			planned, attempt = false, "t1"
		case "update thing.b":
			attempt = "t2"
		case "delete thing.c":
			planned, attempt = false, "t3"
		default:
			t.Errorf("got %s", stepOf(op))
		}
		if op.Prior.IsNull() == prior || op.Planned.IsNull() == planned || op.Attempt != attempt {
			t.Errorf("%s: got prior %#v, planned %#v, attempt %s", stepOf(op), op.Prior, op.Planned, op.Attempt)
		}
	}
}

// seen is an executor that shows its operations to a test.
type seen struct {
	*sim
	look func(Operation)
}

func (x seen) Apply(ctx context.Context, op Operation, progress func(Progress)) (cty.Value, []plan.Problem) {
	x.look(op)
	return x.sim.Apply(ctx, op, progress)
}

func TestParallelism(t *testing.T) {
	var desired []config
	for _, name := range strings.Split("abcdefghijkl", "") {
		desired = append(desired, config{name: "thing." + name})
	}
	for limit, want := range map[int]int{0: 10, 1: 1, 3: 3, 100: 12} {
		s := newSim(desired...)
		gate := make(chan struct{})
		for _, c := range desired {
			s.hold["create "+c.name] = gate
		}
		started := make(chan struct{}, 20)
		s.onStart = func(string) { started <- struct{}{} }
		go func() {
			for range want {
				<-started
			}
			close(gate)
		}()
		s.apply(t, func(o *Options) { o.Parallelism = limit })
		if s.most != want {
			t.Errorf("parallelism %d: %d ran at one time, want %d", limit, s.most, want)
		}
	}
}

func TestInterrupted(t *testing.T) {
	s := newSim(config{name: "thing.a"}, config{name: "thing.b", on: []string{"thing.a"}}, config{name: "thing.c"})
	gate := make(chan struct{})
	s.hold["create thing.a"] = gate
	ctx, cancel := context.WithCancel(context.Background())
	p, _ := s.plan()
	o := s.options(p)
	o.Parallelism = 1
	s.onStart = func(string) { cancel(); close(gate) }
	r := Run(ctx, o)
	equal(t, "steps", s.steps(), []string{"create thing.a"})
	equal(t, "recorded", s.record(), []string{"thing.a"})
	equal(t, "skipped", s.skips, []string{"thing.b", "thing.c"})
	if !r.Interrupted || !r.HasErrors() || r.Done[plan.Create] != 1 || r.Skipped[plan.Create] != 2 {
		t.Errorf("got interrupted %v, done %v, skipped %v", r.Interrupted, r.Done, r.Skipped)
	}
}

func TestInterruptedAtTheEnd(t *testing.T) {
	s := newSim(config{name: "thing.a"})
	ctx, cancel := context.WithCancel(context.Background())
	s.onStart = func(string) { cancel() }
	p, _ := s.plan()
	if r := Run(ctx, s.options(p)); r.Interrupted || r.HasErrors() {
		t.Errorf("all was done, and it says interrupted")
	}
}

// waiting is an executor whose operations say that they are idle, or not any
// more, and last until they are cancelled or told to end.
type waiting struct {
	*sim
	before    func()
	idle      []bool
	said, end chan struct{}
	cancelled bool
}

func (x *waiting) Apply(ctx context.Context, op Operation, progress func(Progress)) (cty.Value, []plan.Problem) {
	x.before()
	for _, idle := range x.idle {
		progress(Progress{Phase: "waiting", Idle: idle})
	}
	progress(Progress{Note: "which is no phase"})
	close(x.said)
	select {
	case <-ctx.Done():
		x.cancelled = true
	case <-x.end:
	}
	return x.sim.Apply(context.WithoutCancel(ctx), op, progress)
}

// TestInterruptedWhileIdle cancels what waits and loses nothing, and nothing
// else.
func TestInterruptedWhileIdle(t *testing.T) {
	for name, c := range map[string]struct {
		idle []bool
		late bool // it becomes idle after the interrupt
		want bool
	}{
		"idle": {idle: []bool{true}, want: true}, "idle when interrupted": {idle: []bool{true}, late: true, want: true},
		"busy": {idle: []bool{false}}, "busy again": {idle: []bool{true, false}},
	} {
		s := newSim(config{name: "thing.a"}, config{name: "thing.b", on: []string{"thing.a"}})
		ctx, cancel := context.WithCancel(context.Background())
		x := &waiting{sim: s, idle: c.idle, said: make(chan struct{}), end: make(chan struct{}), before: func() {}}
		if c.late {
			x.before = cancel
		}
		p, _ := s.plan()
		o := s.options(p)
		o.Executor = x
		go func() {
			<-x.said
			cancel()
			if !c.want {
				close(x.end)
			}
		}()
		r := Run(ctx, o)
		if x.cancelled && !c.want {
			t.Errorf("%s: it was cancelled", name)
		}
		if !r.Interrupted || plan.HasErrors(r.Problems) {
			t.Errorf("%s: interrupted %v, %v", name, r.Interrupted, r.Problems)
		}
		equal(t, "recorded", s.record(), []string{"thing.a"})
	}
	s := newSim(config{name: "thing.a"})
	ctx, cancel := context.WithCancel(context.Background())
	p, _ := s.plan()
	o := s.options(p)
	o.Executor = &waiting{sim: s, idle: []bool{true}, said: make(chan struct{}), before: cancel}
	if r := Run(ctx, o); !r.Interrupted {
		t.Error("a wait that was left at the end is no interruption")
	}
}

func TestKilled(t *testing.T) {
	s := newSim(config{name: "thing.a"}, config{name: "thing.b", on: []string{"thing.a"}})
	s.hold["create thing.a"] = make(chan struct{})
	hard, kill := context.WithCancel(context.Background())
	s.onStart = func(string) { kill() }
	r := s.apply(t, func(o *Options) { o.Hard = hard })
	equal(t, "problems", summaries(r.Problems), []string{"thing.a: killed"})
	equal(t, "skipped", s.skips, []string{"thing.b because of thing.a"})
}

func TestValues(t *testing.T) {
	s := newSim(
		config{name: "thing.new"}, config{name: "thing.same", note: "n"}, config{name: "thing.broken"},
		config{name: "thing.next", image: "x", first: true}, config{name: "thing.stuck", note: "new", on: []string{"thing.broken"}},
	).there(
		config{name: "thing.same", note: "n"}, config{name: "thing.gone"}, config{name: "thing.next"}, config{name: "thing.stuck", note: "old"},
	)
	s.fail["create thing.broken"] = "half"
	r := s.apply(t, one)
	var got []string
	for a, v := range r.Values {
		got = append(got, a.Name+" "+v.GetAttr("id").AsString())
	}
	slices.Sort(got)
	equal(t, "values", got, []string{"broken half", "new id-5", "next id-6", "same id-t1", "stuck id-t4"})
	if v, _ := r.Objects.Block(at("thing.new")); v.GetAttr("id") != str("id-5") {
		t.Errorf("got %#v", v)
	}
	if v, _ := r.Objects.Block(at("thing.broken")); v.GetAttr("id").IsKnown() {
		t.Errorf("got %#v for what could not be made", v)
	}
}

func TestProblemsAreInOrder(t *testing.T) {
	var desired []config
	s := newSim()
	for _, name := range strings.Split("gfedcba", "") {
		desired = append(desired, config{name: "thing." + name})
		s.fail["create thing."+name] = ""
	}
	s.desired = desired
	r := s.apply(t)
	if !slices.IsSortedFunc(r.Problems, func(a, b plan.Problem) int { return a.Addr.Compare(b.Addr) }) || len(r.Problems) != 7 {
		t.Errorf("got %q", summaries(r.Problems))
	}
}

func TestNobodyListens(t *testing.T) {
	s := newSim(config{name: "thing.a"}, config{name: "thing.b", on: []string{"thing.a"}})
	s.fail["create thing.a"] = ""
	r := s.apply(t, func(o *Options) { o.Events, o.NewAttempt = nil, nil })
	if len(r.Problems) != 1 {
		t.Errorf("got %q", summaries(r.Problems))
	}
}
