package plan

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// attr returns an attribute of a block's value, or unknown.
func attr(known Values, block, name string) cty.Value {
	v, ok := known.Block(at(block))
	if !ok || !v.IsKnown() {
		return unk
	}
	return v.GetAttr(name)
}

func TestActions(t *testing.T) {
	top := addr.Deployment{}
	web := addr.Deployment{Composition: "web", Flavour: "docker"}
	tests := map[string]struct {
		world   func(*world)
		options Options
		want    []string
	}{
		"nothing at all": {},
		"all that is new": {
			world: func(w *world) { w.single("thing.a", nil); w.single("thing.b", nil) },
			want:  []string{"create thing.a", "create thing.b"},
		},
		"not desired any more": {
			world:   func(w *world) { w.single("thing.a", nil) },
			options: Options{Prior: []Prior{prior("thing.a", made(nil)), prior("thing.b", made(nil))}},
			want:    []string{"delete thing.b"},
		},
		"gone and not desired any more": {
			options: Options{Prior: []Prior{{Addr: at("thing.a"), Provider: "p", Recorded: object(thing(), made(nil)), Current: cty.NullVal(shapeOf(thing()).typ)}}},
		},
		"destroy": {
			world:   func(w *world) { w.single("thing.a", nil); w.single("thing.c", nil) },
			options: Options{Destroy: true, Prior: []Prior{prior("thing.a", made(nil)), prior("thing.b", made(nil))}},
			want:    []string{"delete thing.a", "delete thing.b"},
		},
		"destroy a deployment": {
			options: Options{
				Destroy:  true,
				Selected: func(d addr.Deployment) bool { return d == web },
				Prior:    []Prior{prior("thing.a", made(nil)), prior(`composition.web.docker.thing["x"]`, made(nil))},
			},
			want: []string{`delete composition.web.docker.thing["x"]`},
		},
		"what is not selected stays": {
			world: func(w *world) {
				w.single("thing.a", values{"note": str("changed")})
				w.block("web::docker", Deployment, func(Values) []Desired {
					return []Desired{want(`composition.web.docker.thing["y"]`, nil)}
				})
			},
			options: Options{
				Selected: func(d addr.Deployment) bool { return d == top },
				Prior:    []Prior{prior("thing.a", made(nil)), prior(`composition.web.docker.thing["x"]`, made(nil))},
			},
			want: []string{"update thing.a"},
		},
		"left over from a replacement": {
			world: func(w *world) { w.single("thing.a", nil) },
			options: Options{Prior: []Prior{
				prior("thing.a", made(nil)),
				func() Prior { p := prior("thing.a", made(nil)); p.Deposed = 1; return p }(),
			}},
			want: []string{"delete thing.a deposed 1"},
		},
		"left over, and its successor is gone from the configuration too": {
			options: Options{Prior: []Prior{
				prior("thing.a", made(nil)),
				func() Prior { p := prior("thing.a", made(nil)); p.Deposed = 2; return p }(),
			}},
			want: []string{"delete thing.a", "delete thing.a deposed 2"},
		},
		"count goes down": {
			world: func(w *world) {
				w.block("thing.a", Count, func(Values) []Desired { return []Desired{want("thing.a[0]", nil)} })
			},
			options: Options{Prior: []Prior{prior("thing.a[0]", made(nil)), prior("thing.a[1]", made(nil)), prior("thing.a[10]", made(nil))}},
			want:    []string{"delete thing.a[1]", "delete thing.a[10]"},
		},
		"a value flows": {
			world: func(w *world) {
				w.single("thing.a", values{"note": str("n")})
				w.block("thing.b", Single, func(known Values) []Desired {
					return []Desired{want("thing.b", values{"image": attr(known, "thing.a", "note")})}
				})
			},
			options: Options{Prior: []Prior{prior("thing.a", made(values{"note": str("o")})), prior("thing.b", made(values{"image": str("n")}))}},
			want:    []string{"update thing.a"},
		},
		"a replacement spreads": {
			world: func(w *world) {
				w.single("thing.a", values{"image": str("new")})
				w.block("thing.b", Single, func(known Values) []Desired {
					return []Desired{want("thing.b", values{"image": attr(known, "thing.a", "id")})}
				})
				w.block("thing.c", Single, func(known Values) []Desired {
					return []Desired{want("thing.c", values{"note": attr(known, "thing.b", "id")})}
				})
			},
			options: Options{Prior: []Prior{
				prior("thing.a", made(values{"image": str("old")})),
				prior("thing.b", made(values{"image": str("i1")})),
				prior("thing.c", made(values{"note": str("i1")})),
			}},
			want: []string{"replace thing.a", "replace thing.b", "update thing.c"},
		},
		"an update keeps what others use": {
			world: func(w *world) {
				w.single("thing.a", values{"note": str("new")})
				w.block("thing.b", Single, func(known Values) []Desired {
					return []Desired{want("thing.b", values{"image": attr(known, "thing.a", "id")})}
				})
			},
			options: Options{Prior: []Prior{prior("thing.a", made(nil)), prior("thing.b", made(values{"image": str("i1")}))}},
			want:    []string{"update thing.a"},
		},
		"create_before_destroy": {
			world: func(w *world) {
				w.block("thing.a", Single, func(Values) []Desired {
					d := want("thing.a", values{"image": str("new")})
					d.Lifecycle.CreateBeforeDestroy = true
					return []Desired{d}
				})
			},
			options: Options{Prior: []Prior{prior("thing.a", made(nil))}},
			want:    []string{"replace thing.a create first"},
		},
		"create_before_destroy spreads to what is needed": {
			world: func(w *world) {
				w.single("thing.a", values{"image": str("new")})
				w.single("thing.b", values{"image": str("new")})
				w.block("thing.c", Single, func(Values) []Desired {
					d := want("thing.c", values{"image": str("new")})
					d.Lifecycle.CreateBeforeDestroy = true
					d.DependsOn = []addr.Instance{at("thing.b")}
					return []Desired{d}
				})
			},
			options: Options{Prior: []Prior{prior("thing.a", made(nil)), prior("thing.b", made(nil)), prior("thing.c", made(nil))}},
			want:    []string{"replace thing.a", "replace thing.b create first", "replace thing.c create first"},
		},
		"a whole block is asked to be replaced": {
			world: func(w *world) {
				w.block("thing.a", Count, func(Values) []Desired {
					return []Desired{want("thing.a[0]", nil), want("thing.a[1]", nil)}
				})
			},
			options: Options{
				Replace: []addr.Instance{at("thing.a")},
				Prior:   []Prior{prior("thing.a[0]", made(nil)), prior("thing.a[1]", made(nil))},
			},
			want: []string{"replace thing.a[0]", "replace thing.a[1]"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if test.world != nil {
				test.world(w)
			}
			if got := actions(w.mustBuild(t, test.options)); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestProblems(t *testing.T) {
	protected := func(d *Desired) { d.Lifecycle.PreventDestroy = true }
	first := func(d *Desired) { d.Lifecycle.CreateBeforeDestroy = true }
	with := func(name string, v values, change func(*Desired)) func(*world) {
		return func(w *world) {
			w.block(name, Single, func(Values) []Desired {
				d := want(name, v)
				change(&d)
				return []Desired{d}
			})
		}
	}
	tests := map[string]struct {
		world   func(*world)
		options Options
		want    []string // parts of the problems' text, in order
	}{
		"prevent_destroy and a replacement": {
			world:   with("thing.a", values{"image": str("new")}, protected),
			options: Options{Prior: []Prior{prior("thing.a", made(nil))}},
			want:    []string{"thing.a []: thing.a must not be destroyed: Its lifecycle says prevent_destroy, but it would be replaced (its image changed)."},
		},
		"prevent_destroy and an update": {
			world:   with("thing.a", values{"note": str("new")}, protected),
			options: Options{Prior: []Prior{prior("thing.a", made(nil))}},
		},
		"prevent_destroy and what is not desired any more": {
			options: Options{Prior: []Prior{prior("thing.a", made(nil))}, Protected: func(addr.Instance) bool { return true }},
			want:    []string{"it would be destroyed (it is not in the configuration any more)"},
		},
		"prevent_destroy and destroy": {
			options: Options{Destroy: true, Prior: []Prior{prior("thing.a", made(nil))}, Protected: func(addr.Instance) bool { return true }},
			want:    []string{"it would be destroyed. Take"},
		},
		"a name twice": {
			world: func(w *world) {
				w.single("thing.a", values{"name": str("web")})
				w.single("thing.b", values{"name": str("web")})
			},
			want: []string{`thing.b [name]: The name "web" is taken twice: thing.a and thing.b both want the name "web"`},
		},
		"a port twice": {
			world: func(w *world) {
				w.single("thing.a", values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(1)}), port(values{"guest": num(80), "host": num(8080)})})})
				w.single("thing.b", values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(443), "host": num(8080)})})})
			},
			want: []string{`thing.b [port[0].host]: The port.host "8080" is taken twice`},
		},
		"a port twice in one object": {
			world: func(w *world) {
				w.single("thing.a", values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(1), "host": num(1)}), port(values{"guest": num(2), "host": num(1)})})})
			},
			want: []string{`thing.a [port[1].host]: The port.host "1" is taken twice: thing.a wants the port.host "1" two times.`},
		},
		"empty names, zero ports, unknown names": {
			world: func(w *world) {
				none := values{"name": str(""), "port": cty.ListVal([]cty.Value{port(values{"guest": num(1), "host": num(0)})})}
				w.single("thing.a", none)
				w.single("thing.b", none)
				w.single("thing.c", values{"name": unk})
				w.single("thing.d", values{"name": unk})
			},
		},
		"a name twice that both have": {
			world: func(w *world) {
				w.single("thing.a", values{"name": str("web")})
				w.single("thing.b", values{"name": str("web")})
			},
			options: Options{Prior: []Prior{prior("thing.a", made(values{"name": str("web")})), prior("thing.b", made(values{"name": str("web")}))}},
		},
		"a name that another deployment has": {
			world: func(w *world) { w.single("thing.a", values{"name": str("web")}) },
			options: Options{
				Selected: func(d addr.Deployment) bool { return d.IsTop() },
				Prior:    []Prior{prior(`composition.web.docker.thing["x"]`, made(values{"name": str("web")}))},
			},
			want: []string{`composition.web.docker.thing["x"] has the name "web" already, and is not part of this plan. Give thing.a another`},
		},
		"a name through another provider": {
			world: func(w *world) {
				w.single("thing.a", values{"name": str("web")})
				with("thing.b", values{"name": str("web")}, func(d *Desired) { d.Provider = "q" })(w)
			},
		},
		"create_before_destroy and an exclusive value that stays": {
			world:   with("thing.a", values{"name": str("web"), "image": str("new")}, first),
			options: Options{Prior: []Prior{prior("thing.a", made(values{"name": str("web")}))}},
			want:    []string{"thing.a [name]: Old and new cannot both have this name: Its lifecycle says create_before_destroy, but thing.a must be replaced (its image changed)"},
		},
		"create_before_destroy and an exclusive value that changes": {
			world:   with("thing.a", values{"name": str("web2"), "image": str("new")}, first),
			options: Options{Prior: []Prior{prior("thing.a", made(values{"name": str("web")}))}},
		},
		"create_before_destroy of a dependant": {
			world: func(w *world) {
				w.single("thing.a", values{"name": str("net"), "image": str("new")})
				with("thing.b", values{"image": str("new")}, func(d *Desired) {
					first(d)
					d.DependsOn = []addr.Instance{at("thing.a")}
				})(w)
			},
			options: Options{Prior: []Prior{prior("thing.a", made(values{"name": str("net")})), prior("thing.b", made(nil))}},
			want:    []string{"thing.a [name]: Old and new cannot both have this name: It is replaced before it is destroyed, because thing.b, which depends on it"},
		},
		"names exchanged in place": {
			world: func(w *world) {
				w.single("thing.a", values{"name": str("y")})
				w.single("thing.b", values{"name": str("x")})
			},
			options: Options{Prior: []Prior{prior("thing.a", made(values{"name": str("x")})), prior("thing.b", made(values{"name": str("y")}))}},
			want:    []string{"There is no order for these changes: Each would have to be made before the other: thing.a needs thing.b, which needs thing.a."},
		},
		"names exchanged by replacement": {
			world: func(w *world) {
				w.single("thing.a", values{"name": str("y"), "image": str("new")})
				w.single("thing.b", values{"name": str("x"), "image": str("new")})
			},
			options: Options{Prior: []Prior{prior("thing.a", made(values{"name": str("x")})), prior("thing.b", made(values{"name": str("y")}))}},
		},
		"an unknown type": {
			world: func(w *world) {
				w.block("other.a", Single, func(Values) []Desired { return []Desired{want("other.a", nil)} })
			},
			want: []string{"Unknown type other: Provider p has no type other."},
		},
		"a configuration of another shape": {
			world: with("thing.a", nil, func(d *Desired) { d.Config = cty.EmptyObjectVal }),
			want:  []string{"The configuration does not fit its type"},
		},
		"no configuration": {
			world: with("thing.a", nil, func(d *Desired) { d.Config = cty.NilVal }),
			want:  []string{"No configuration"},
		},
		"a record of another shape": {
			world:   with("thing.a", nil, func(*Desired) {}),
			options: Options{Prior: []Prior{{Addr: at("thing.a"), Provider: "p", Current: cty.EmptyObjectVal}}},
			want:    []string{"The record does not fit its type"},
		},
		"recorded twice": {
			options: Options{Prior: []Prior{prior("thing.a", made(nil)), prior("thing.a", made(nil))}},
			want:    []string{"Recorded twice"},
		},
		"desired twice": {
			world: func(w *world) {
				w.block("thing.a", Count, func(Values) []Desired { return []Desired{want("thing.a[0]", nil), want("thing.a[0]", nil)} })
			},
			want: []string{"Two resources of one name: thing.a[0] is desired twice"},
		},
		"nothing to replace": {
			options: Options{Replace: []addr.Instance{at("thing.x")}},
			want:    []string{"Nothing to replace: thing.x is not part of this plan."},
		},
		"a block that cannot be expanded": {
			world: func(w *world) {
				w.single("thing.a", nil)
				w.blocks[at("thing.a")] = func(Values) (Expanded, []Problem) {
					return Expanded{}, []Problem{{Addr: at("thing.a"), Summary: "mine", Source: "opaque"}}
				}
			},
			options: Options{Prior: []Prior{prior("thing.a", made(nil)), prior("thing.gone", made(nil))}},
			want:    []string{"mine"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if test.world != nil {
				test.world(w)
			}
			_, problems := w.build(test.options)
			if len(problems) != len(test.want) {
				t.Fatalf("got %d problems, want %d:\n%s", len(problems), len(test.want), describe(problems))
			}
			for i, want := range test.want {
				if got := describe(problems[i : i+1]); !strings.Contains(got, want) {
					t.Errorf("got %s\nwant %s", got, want)
				}
			}
		})
	}
}

func TestFailedBlock(t *testing.T) {
	w := newWorld()
	w.single("thing.a", nil)
	w.blocks[at("thing.a")] = func(Values) (Expanded, []Problem) {
		return Expanded{}, []Problem{{Summary: "mine"}}
	}
	var seen cty.Value
	w.block("thing.b", Single, func(known Values) []Desired {
		seen, _ = known.Block(at("thing.a"))
		return []Desired{want("thing.b", nil)}
	})
	p, problems := w.build(Options{Prior: []Prior{prior("thing.old", made(nil))}})
	if len(problems) != 1 || seen != cty.DynamicVal {
		t.Errorf("got %d problems, and the failed block as %#v", len(problems), seen)
	}
	if got, want := actions(p), []string{"create thing.b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: nothing is deleted while it is not clear what is desired", got, want)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld()
	w.block("thing.a", Single, func(Values) []Desired { cancel(); return []Desired{want("thing.a", nil)} })
	w.block("thing.b", Single, func(Values) []Desired { t.Error("asked after the end"); return nil })
	_, problems := Build(ctx, Options{Source: w, Types: w, Planner: w})
	if len(problems) != 1 || problems[0].Summary != "Planning was interrupted" {
		t.Errorf("got %s", describe(problems))
	}
}

func TestCauses(t *testing.T) {
	tests := map[string]struct {
		a     values
		prior values
		want  string
	}{
		"replaced": {values{"image": str("new")}, made(nil), "thing.a is replaced"},
		"created":  {nil, nil, "thing.a is created"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.single("thing.a", test.a)
			w.block("thing.b", Single, func(known Values) []Desired {
				d := want("thing.b", values{"image": attr(known, "thing.a", "id")})
				d.DependsOn = []addr.Instance{at("thing.a")}
				return []Desired{d}
			})
			o := Options{Prior: []Prior{prior("thing.b", made(values{"image": str("i1")}))}}
			if test.prior != nil {
				o.Prior = append(o.Prior, prior("thing.a", test.prior))
			}
			c := change(t, w.mustBuild(t, o), "thing.b")
			if got := texts(c.Reasons); !slices.Equal(got, []string{test.want}) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !c.Deferred {
				t.Errorf("the change is not deferred")
			}
		})
	}
}

func TestDrift(t *testing.T) {
	changed := prior("thing.a", made(values{"note": str("n")}))
	changed.Current = object(thing(), made(values{"note": str("x"), "list": list("l")}))
	gone := prior("thing.b", made(nil))
	gone.Current = cty.NullVal(gone.Current.Type())
	empty := prior("thing.c", made(nil))
	empty.Current = object(thing(), made(values{"list": list()}))
	outside := prior(`composition.web.docker.thing["x"]`, made(nil))
	outside.Current = cty.NullVal(outside.Current.Type())

	w := newWorld()
	w.single("thing.c", nil)
	p := w.mustBuild(t, Options{
		Prior:    []Prior{outside, empty, gone, changed},
		Selected: func(d addr.Deployment) bool { return d.IsTop() },
	})
	if len(p.Drift) != 2 {
		t.Fatalf("got %d drifts, want 2: %v", len(p.Drift), p.Drift)
	}
	if d := p.Drift[0]; d.Addr != at("thing.a") || !slices.Equal(paths(d.Changed), []string{"list", "note"}) {
		t.Errorf("got %s %q", d.Addr, paths(d.Changed))
	}
	if d := p.Drift[1]; d.Addr != at("thing.b") || d.Gone != "was removed outside nxc" || !d.Current.IsNull() {
		t.Errorf("got %s %q", d.Addr, d.Gone)
	}
	if got, want := actions(p), []string{"delete thing.a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChangeCarriesTheRecord(t *testing.T) {
	w := newWorld()
	w.block("thing.a", Single, func(Values) []Desired {
		d := want("thing.a", values{"note": str("s").Mark("secret")})
		d.DependsOn = []addr.Instance{at("thing.z"), at("thing.y"), at("thing.z")}
		return []Desired{d}
	})
	r := prior("thing.a", made(nil))
	r.SchemaVersion, r.NotRefreshed, r.Dependencies = 3, true, []addr.Instance{at("thing.x")}
	c := change(t, w.mustBuild(t, Options{Prior: []Prior{r}}), "thing.a")
	if c.Attempt != "a1" || c.SchemaVersion != 3 || !c.NotRefreshed {
		t.Errorf("got attempt %q, version %d, not refreshed %v", c.Attempt, c.SchemaVersion, c.NotRefreshed)
	}
	if want := []addr.Instance{at("thing.y"), at("thing.z")}; !slices.Equal(c.Dependencies, want) {
		t.Errorf("got dependencies %v, want %v", c.Dependencies, want)
	}
	if want := []addr.Instance{at("thing.x")}; !slices.Equal(c.PriorDependencies, want) {
		t.Errorf("got prior dependencies %v, want %v", c.PriorDependencies, want)
	}
	if len(c.Marks) != 1 || FormatPath(c.Marks[0].Path) != "note" {
		t.Errorf("got marks %v", c.Marks)
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	build := func() []string {
		w := newWorld()
		w.types["thing"].CustomPlan = true
		w.refine = func(p Proposal) (Refined, []Problem) { return Refined{Planned: p.Proposed}, nil }
		var group []addr.Instance
		for _, name := range []string{"thing.d", "thing.b", "thing.a", "thing.c"} {
			w.single(name, values{"name": str("same")})
			group = append(group, at(name))
		}
		w.levels = [][]addr.Instance{group}
		p, problems := w.build(Options{Prior: []Prior{prior("thing.z", made(nil)), prior("thing.y", made(nil))}})
		return append(actions(p), describe(problems))
	}
	first := build()
	for range 20 {
		if again := build(); !slices.Equal(first, again) {
			t.Fatalf("got %q, then %q", first, again)
		}
	}
}
