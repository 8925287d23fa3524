package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

func TestBlockValues(t *testing.T) {
	w := newWorld()
	w.single("thing.one", values{"note": str("1")})
	w.block("thing.many", Count, func(Values) []Desired {
		var all []Desired
		for _, i := range []string{"10", "2", "0", "1", "3", "4", "5", "6", "7", "8", "9"} {
			all = append(all, want("thing.many["+i+"]", values{"note": str(i)}))
		}
		return all
	})
	w.block("thing.none", Count, func(Values) []Desired { return nil })
	w.block("thing.each", ForEach, func(Values) []Desired {
		return []Desired{want(`thing.each["b"]`, values{"note": str("B")}), want(`thing.each["a"]`, values{"note": str("A")})}
	})
	w.block("thing.empty", ForEach, func(Values) []Desired { return nil })
	p := w.mustBuild(t, Options{})
	block := func(name string) cty.Value {
		v, ok := p.Objects.Block(at(name))
		if !ok {
			t.Fatalf("%s is not there", name)
		}
		return v
	}
	if got := block("thing.one").GetAttr("note"); got != str("1") {
		t.Errorf("single: got %#v", got)
	}
	many := block("thing.many")
	if !many.Type().IsTupleType() || many.LengthInt() != 11 {
		t.Fatalf("count: got %#v", many.Type())
	}
	for i, v := range many.AsValueSlice() {
		if got := v.GetAttr("note").AsString(); got != num(int64(i)).AsBigFloat().String() {
			t.Errorf("count: got %s at %d", got, i)
		}
	}
	if got := block("thing.none"); !got.RawEquals(cty.EmptyTupleVal) {
		t.Errorf("count of none: got %#v", got)
	}
	if got := block("thing.each"); got.GetAttr("a").GetAttr("note") != str("A") || got.GetAttr("b").GetAttr("note") != str("B") {
		t.Errorf("for_each: got %#v", got)
	}
	if got := block("thing.empty"); !got.RawEquals(cty.EmptyObjectVal) {
		t.Errorf("for_each of none: got %#v", got)
	}
	if _, ok := p.Objects.Block(at("thing.other")); ok {
		t.Errorf("a block that is not there is there")
	}
	if again := block("thing.many"); !again.RawEquals(many) {
		t.Errorf("asking twice gives two values")
	}
}

func TestValuesOutsideThePlan(t *testing.T) {
	web := addr.Instance{Deployment: addr.Deployment{Composition: "web", Flavour: "docker"}}
	w := newWorld()
	w.block("thing.one", Single, func(Values) []Desired { t.Error("asked"); return nil })
	w.block("web::docker", Deployment, func(known Values) []Desired {
		for name, want := range map[string]func(cty.Value) cty.Value{
			"thing.one":  func(v cty.Value) cty.Value { return v.GetAttr("note") },
			"thing.many": func(v cty.Value) cty.Value { return v.Index(num(1)).GetAttr("note") },
			"thing.each": func(v cty.Value) cty.Value { return v.GetAttr("k").GetAttr("note") },
		} {
			v, ok := known.Block(at(name))
			if !ok || want(v) != str(name) {
				t.Errorf("%s: got %#v, %v", name, v, ok)
			}
		}
		if _, ok := known.Block(at("thing.never")); ok {
			t.Errorf("a block without objects is there")
		}
		return nil
	})
	note := func(s string) values { return made(values{"note": str(s)}) }
	p := w.mustBuild(t, Options{
		Selected: func(d addr.Deployment) bool { return d == web.Deployment },
		Prior: []Prior{
			prior("thing.one", note("thing.one")), prior("thing.many[0]", nil), prior("thing.many[1]", note("thing.many")),
			prior(`thing.each["k"]`, note("thing.each")),
		},
	})
	if len(p.Changes) != 0 {
		t.Errorf("got %q", actions(p))
	}
}

func TestSensitiveValues(t *testing.T) {
	w := newWorld()
	w.types["thing"].Block.Blocks[1].Block.Attributes[2].Sensitive = true // port.pid
	w.single("thing.a", values{
		"secret": str("s"),
		"note":   str("n").Mark("mine"),
		"port":   cty.ListVal([]cty.Value{port(values{"guest": num(80)})}),
	})
	p := w.mustBuild(t, Options{SensitiveMark: "sensitive"})
	v, _ := p.Objects.Block(at("thing.a"))
	_, marks := v.UnmarkDeepWithPaths()
	var got []string
	for _, m := range marks {
		for mark := range m.Marks {
			got = append(got, FormatPath(m.Path)+" "+mark.(string))
		}
	}
	slices.Sort(got)
	if want := []string{"note mine", "port[0].pid sensitive", "secret sensitive"}; !slices.Equal(got, want) {
		t.Errorf("got marks %q, want %q", got, want)
	}
}

// deployment adds a network and two nodes on it.
func deployment(w *world, image string) {
	d := addr.Instance{Deployment: addr.Deployment{Composition: "web", Flavour: "docker"}}
	w.levels = append(w.levels, []addr.Instance{d})
	node := func(key string) Desired {
		x := want(`composition.web.docker.thing["`+key+`"]`, values{"image": unk, "note": str(key)})
		x.References = []Reference{{Path: cty.GetAttrPath("image"), From: at(`composition.web.docker.thing["net"]`), Attribute: "id"}}
		return x
	}
	w.blocks[d] = func(Values) (Expanded, []Problem) {
		return Expanded{
			Kind:      Deployment,
			Instances: []Desired{node("b"), node("a"), want(`composition.web.docker.thing["net"]`, values{"image": str(image)})},
			Node: func(objects map[addr.Instance]cty.Value) cty.Value {
				return objects[at(`composition.web.docker.thing["a"]`)].GetAttr("image")
			},
		}, nil
	}
}

func TestDeployment(t *testing.T) {
	key := func(k string) string { return `composition.web.docker.thing["` + k + `"]` }
	t.Run("created", func(t *testing.T) {
		w := newWorld()
		deployment(w, "old")
		p := w.mustBuild(t, Options{})
		c := change(t, p, key("a"))
		if c.Action != Create || c.After.GetAttr("image").IsKnown() || c.Deferred || !c.Unresolved() {
			t.Errorf("got %s, image %#v, deferred %v, unresolved %v", c.Action, c.After.GetAttr("image"), c.Deferred, c.Unresolved())
		}
		if want := []addr.Instance{at(key("net"))}; !slices.Equal(c.Dependencies, want) {
			t.Errorf("got dependencies %v", c.Dependencies)
		}
	})
	there := []Prior{
		prior(key("net"), made(values{"image": str("old"), "id": str("n1")})),
		prior(key("a"), made(values{"image": str("n1"), "note": str("a")})),
		prior(key("b"), made(values{"image": str("n1"), "note": str("b")})),
	}
	t.Run("as it is", func(t *testing.T) {
		w := newWorld()
		deployment(w, "old")
		p := w.mustBuild(t, Options{Prior: there})
		if len(actions(p)) != 0 || !p.IsEmpty() {
			t.Errorf("got %q", actions(p))
		}
		v, _ := p.Objects.Block(addr.Instance{Deployment: at(key("a")).Deployment})
		if got := v.GetAttr("thing").GetAttr("net").GetAttr("id"); got != str("n1") {
			t.Errorf("got %#v", got)
		}
		if got := v.GetAttr("node"); got != str("n1") {
			t.Errorf("got node %#v", got)
		}
	})
	t.Run("the network is replaced", func(t *testing.T) {
		w := newWorld()
		deployment(w, "new")
		p := w.mustBuild(t, Options{Prior: there})
		if got := texts(change(t, p, key("a")).Reasons); !slices.Equal(got, []string{key("net") + " is replaced"}) {
			t.Errorf("got %q", got)
		}
		if p.Count(Replace) != 3 {
			t.Errorf("got %q", actions(p))
		}
	})
	t.Run("a deployment is asked to be replaced", func(t *testing.T) {
		w := newWorld()
		deployment(w, "old")
		p := w.mustBuild(t, Options{Prior: there, Replace: []addr.Instance{{Deployment: at(key("a")).Deployment}}})
		if p.Count(Replace) != 3 {
			t.Errorf("got %q", actions(p))
		}
	})
}

func TestReferences(t *testing.T) {
	tests := map[string]struct {
		reference Reference
		want      string // part of the problem, or of the value
	}{
		"to nowhere":          {Reference{Path: cty.GetAttrPath("note"), From: at("thing.x"), Attribute: "id"}, "note of thing.b is to come from id of thing.x: thing.x is not there."},
		"to no attribute":     {Reference{Path: cty.GetAttrPath("note"), From: at("thing.a"), Attribute: "ids"}, "it has no attribute ids."},
		"from no place":       {Reference{Path: cty.GetAttrPath("disk").GetAttr("kind"), From: at("thing.a"), Attribute: "note"}, "there is no value that holds kind."},
		"to no such index":    {Reference{Path: cty.GetAttrPath("list").IndexInt(3), From: at("thing.a"), Attribute: "note"}, "there is no [3]."},
		"converted":           {Reference{Path: cty.GetAttrPath("note"), From: at("thing.a"), Attribute: "size"}, "7"},
		"into a list":         {Reference{Path: cty.GetAttrPath("list").IndexInt(1), From: at("thing.a"), Attribute: "note"}, "n"},
		"into a map":          {Reference{Path: cty.GetAttrPath("map").IndexString("k"), From: at("thing.a"), Attribute: "note"}, "n"},
		"into a nested block": {Reference{Path: cty.GetAttrPath("port").IndexInt(0).GetAttr("host"), From: at("thing.a"), Attribute: "size"}, "7"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.single("thing.a", values{"note": str("n"), "size": num(7)})
			w.block("thing.b", Single, func(Values) []Desired {
				d := want("thing.b", values{
					"list": cty.ListVal([]cty.Value{str("x"), unk}),
					"map":  cty.MapVal(map[string]cty.Value{"k": unk}),
					"port": cty.ListVal([]cty.Value{port(values{"guest": num(1), "host": cty.UnknownVal(cty.Number)})}),
				})
				d.References = []Reference{test.reference}
				return []Desired{d}
			})
			p, problems := w.build(Options{})
			if len(problems) > 0 {
				if got := describe(problems); len(problems) != 1 || !strings.Contains(got, test.want) {
					t.Errorf("got %s\nwant %s", got, test.want)
				}
				return
			}
			v, ok := valueAt(change(t, p, "thing.b").After, test.reference.Path)
			if !ok {
				t.Fatal("no such place")
			}
			got := v.GoString()
			if v.Type() == cty.String {
				got = v.AsString()
			} else if v.Type() == cty.Number {
				got = v.AsBigFloat().String()
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestReferencesCarryMarks(t *testing.T) {
	w := newWorld()
	w.single("thing.a", values{"secret": str("s")})
	w.block("thing.b", Single, func(Values) []Desired {
		d := want("thing.b", values{"note": unk})
		d.References = []Reference{{Path: cty.GetAttrPath("note"), From: at("thing.a"), Attribute: "secret"}}
		return []Desired{d}
	})
	c := change(t, w.mustBuild(t, Options{SensitiveMark: "sensitive"}), "thing.b")
	if len(c.Marks) != 1 || FormatPath(c.Marks[0].Path) != "note" || c.After.GetAttr("note") != str("s") {
		t.Errorf("got marks %v, after %#v", c.Marks, c.After.GetAttr("note"))
	}
}

func TestCircularReferences(t *testing.T) {
	w := newWorld()
	w.block("web::docker", Deployment, func(Values) []Desired {
		ref := func(from, to string) Desired {
			d := want(`composition.web.docker.thing["`+from+`"]`, values{"note": unk})
			d.References = []Reference{{Path: cty.GetAttrPath("note"), From: at(`composition.web.docker.thing["` + to + `"]`), Attribute: "id"}}
			return d
		}
		return []Desired{ref("a", "b"), ref("b", "a")}
	})
	_, problems := w.build(Options{})
	want := `composition.web.docker.thing["a"] needs composition.web.docker.thing["b"], which needs composition.web.docker.thing["a"]. None of them`
	if got := describe(problems); len(problems) != 1 || !strings.Contains(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestData(t *testing.T) {
	answer := func(config cty.Value) (cty.Value, []Problem) {
		return with(config, values{"id": str("read")}), nil
	}
	tests := map[string]struct {
		config  values
		after   []addr.Instance
		answer  func(cty.Value) (cty.Value, []Problem)
		prior   values
		action  Action
		id      cty.Value
		reads   int
		problem string
	}{
		"known":                            {config: values{"note": str("n")}, action: NoOp, id: str("read"), reads: 1},
		"unknown":                          {config: values{"note": unk}, action: ReadLater, id: unk},
		"after something that changes":     {after: []addr.Instance{at("thing.a")}, action: ReadLater, id: unk},
		"after something that is as it is": {after: []addr.Instance{at("thing.a")}, prior: made(values{"note": str("a")}), action: NoOp, id: str("read"), reads: 1},
		"after a block that changes":       {after: []addr.Instance{at("thing.k")}, action: ReadLater, id: unk},
		"after an instance that changes":   {after: []addr.Instance{at("thing.k[0]")}, action: ReadLater, id: unk},
		"fails": {
			answer:  func(cty.Value) (cty.Value, []Problem) { return cty.NilVal, []Problem{{Summary: "no answer"}} },
			problem: "data.thing.d []: no answer", reads: 1,
		},
		"null": {
			answer:  func(c cty.Value) (cty.Value, []Problem) { return cty.NullVal(c.Type()), nil },
			problem: "Provider p read no usable data", reads: 1,
		},
		"unknown answer": {
			answer:  func(c cty.Value) (cty.Value, []Problem) { return with(c, values{"id": unk}), nil },
			problem: "Provider p read no usable data", reads: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if w.data = test.answer; w.data == nil {
				w.data = answer
			}
			w.single("thing.a", values{"note": str("a")})
			w.block("thing.k", Count, func(Values) []Desired { return []Desired{want("thing.k[0]", nil)} })
			w.block("data.thing.d", Single, func(Values) []Desired {
				d := want("data.thing.d", test.config)
				d.ReadAfter = test.after
				return []Desired{d}
			})
			var o Options
			if test.prior != nil {
				o.Prior = []Prior{prior("thing.a", test.prior)}
			}
			p, problems := w.build(o)
			if w.reads != test.reads {
				t.Errorf("read %d times, want %d", w.reads, test.reads)
			}
			if test.problem != "" {
				if got := describe(problems); len(problems) != 1 || !strings.Contains(got, test.problem) {
					t.Errorf("got %s\nwant %s", got, test.problem)
				}
				return
			}
			c := change(t, p, "data.thing.d")
			v, _ := p.Objects.Block(at("data.thing.d"))
			if c.Action != test.action || !v.GetAttr("id").RawEquals(test.id) {
				t.Errorf("got %s, id %#v; want %s, %#v", c.Action, v.GetAttr("id"), test.action, test.id)
			}
		})
	}
}
