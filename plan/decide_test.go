package plan

import (
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// made is an object as it is after its creation from the given configuration.
func made(v values) values {
	out := values{"id": str("i1"), "size": num(1), "zone": str("z1")}
	for k, x := range v {
		out[k] = x
	}
	return out
}

// TestDecide is the list of what becomes of one object.
func TestDecide(t *testing.T) {
	twoPorts := cty.ListVal([]cty.Value{
		port(values{"guest": num(80), "host": num(8080), "pid": str("p0")}),
		port(values{"guest": num(443), "pid": str("p1")}),
	})
	tests := map[string]struct {
		config  values
		prior   values // nil: not recorded
		change  func(*Prior)
		desired func(*Desired)
		typ     func(*Type)
		asked   bool

		action  Action
		after   values   // what After must hold, beside nothing else being checked
		changed []string // paths, for Update and Replace
		reasons []string
	}{
		// create
		"nothing there": {
			config: values{"name": str("n")},
			action: Create,
			after:  values{"name": str("n"), "id": unk, "size": num(1), "zone": unk, "note": null},
		},
		"a computed value that the user sets": {
			config: values{"zone": str("mine")},
			action: Create,
			after:  values{"zone": str("mine")},
		},
		"a default that the user overrides": {
			config: values{"size": num(2)},
			action: Create,
			after:  values{"size": num(2)},
		},
		"an unknown value in a new object": {
			config: values{"image": unk},
			action: Create,
			after:  values{"image": unk},
		},
		"nested blocks in a new object": {
			config: values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(80)})}), "disk": disk(values{})},
			action: Create,
			after: values{
				"port": cty.ListVal([]cty.Value{port(values{"guest": num(80), "pid": unk})}),
				"disk": disk(values{"size": num(10), "serial": unk}),
			},
		},
		"an unknown number of nested blocks": {
			config: values{"port": cty.UnknownVal(cty.List(port(nil).Type()))},
			action: Create,
			after:  values{"port": cty.UnknownVal(cty.List(port(nil).Type()))},
		},
		"a null list of nested blocks is an empty one": {
			config: values{"port": cty.NullVal(cty.List(port(nil).Type()))},
			action: Create,
			after:  values{"port": cty.ListValEmpty(port(nil).Type())},
		},
		"gone": {
			config:  values{"name": str("n")},
			prior:   made(nil),
			change:  func(p *Prior) { p.Current = cty.NullVal(p.Current.Type()) },
			action:  Create,
			after:   values{"id": unk},
			reasons: []string{"was removed outside nxc"},
		},
		"gone, and it is known why": {
			prior:   made(nil),
			change:  func(p *Prior) { p.Current, p.Gone = cty.NullVal(p.Current.Type()), "walltime reached" },
			action:  Create,
			reasons: []string{"walltime reached"},
		},
		"gone is no half made one": {
			prior: made(nil),
			change: func(p *Prior) {
				p.Current, p.Tainted = cty.NullVal(p.Current.Type()), true
			},
			action:  Create,
			reasons: []string{"was removed outside nxc"},
		},

		// no-op
		"as it is": {
			config: values{"name": str("n")},
			prior:  made(values{"name": str("n")}),
			action: NoOp,
			after:  values{"id": str("i1"), "zone": str("z1")},
		},
		"a computed value that the user set to what it is": {
			config: values{"zone": str("z1")},
			prior:  made(nil),
			action: NoOp,
		},
		"a computed value that was null": {
			prior:  values{"size": num(1)},
			action: NoOp,
			after:  values{"id": null, "zone": null},
		},
		"an empty list where there was none": {
			config: values{"list": list()},
			prior:  made(nil),
			action: NoOp,
			after:  values{"list": cty.NullVal(cty.List(cty.String))},
		},
		"none where there was an empty list": {
			prior:  made(values{"list": list(), "map": cty.MapValEmpty(cty.String), "set": cty.SetValEmpty(cty.String)}),
			action: NoOp,
			after:  values{"list": list()},
		},
		"null nested blocks where there are none": {
			config: values{"port": cty.NullVal(cty.List(port(nil).Type()))},
			prior:  made(nil),
			action: NoOp,
		},
		"a set in another order": {
			config: values{"set": cty.SetVal([]cty.Value{str("b"), str("a")})},
			prior:  made(values{"set": cty.SetVal([]cty.Value{str("a"), str("b")})}),
			action: NoOp,
		},
		"numbers that are written differently": {
			config: values{"size": cty.MustParseNumberVal("1.0")},
			prior:  made(nil),
			action: NoOp,
		},
		"nested blocks as they are": {
			config: values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(80), "host": num(8080)}), port(values{"guest": num(443)})})},
			prior:  made(values{"port": twoPorts}),
			action: NoOp,
			after:  values{"port": twoPorts},
		},
		"any value: a tuple that came back as a list": {
			config: values{"any": cty.TupleVal([]cty.Value{str("a")})},
			prior:  made(values{"any": list("a")}),
			action: NoOp,
		},
		"any value: an object that came back as a map": {
			config: values{"any": cty.ObjectVal(map[string]cty.Value{"k": str("v")})},
			prior:  made(values{"any": cty.MapVal(map[string]cty.Value{"k": str("v")})}),
			action: NoOp,
		},
		"a sensitive mark": {
			config: values{"note": str("n").Mark("secret")},
			prior:  made(values{"note": str("n")}),
			action: NoOp,
		},

		// update
		"an attribute changes": {
			config:  values{"note": str("new")},
			prior:   made(values{"note": str("old")}),
			action:  Update,
			after:   values{"note": str("new"), "id": str("i1"), "zone": str("z1")},
			changed: []string{"note"},
		},
		"an attribute is left out": {
			prior:   made(values{"note": str("old")}),
			action:  Update,
			after:   values{"note": null},
			changed: []string{"note"},
		},
		"an empty string is not null": {
			config:  values{"note": str("")},
			prior:   made(nil),
			action:  Update,
			after:   values{"note": str("")},
			changed: []string{"note"},
		},
		"back to the default": {
			prior:   made(values{"size": num(3)}),
			action:  Update,
			after:   values{"size": num(1)},
			changed: []string{"size"},
		},
		"an unknown value replaces a known one": {
			config:  values{"note": unk},
			prior:   made(values{"note": str("old")}),
			action:  Update,
			after:   values{"note": unk, "id": str("i1")},
			changed: []string{"note"},
		},
		"an unknown value where there was none": {
			config:  values{"note": unk},
			prior:   made(nil),
			action:  Update,
			changed: []string{"note"},
		},
		"an unknown element of a list": {
			config:  values{"list": cty.ListVal([]cty.Value{str("a"), unk})},
			prior:   made(values{"list": list("a", "b")}),
			action:  Update,
			changed: []string{"list"},
		},
		"an unknown list": {
			config:  values{"list": cty.UnknownVal(cty.List(cty.String))},
			prior:   made(nil),
			action:  Update,
			changed: []string{"list"},
		},
		"a list in another order": {
			config:  values{"list": list("b", "a")},
			prior:   made(values{"list": list("a", "b")}),
			action:  Update,
			changed: []string{"list"},
		},
		"a key of a map": {
			config:  values{"map": cty.MapVal(map[string]cty.Value{"k": str("w")})},
			prior:   made(values{"map": cty.MapVal(map[string]cty.Value{"k": str("v")})}),
			action:  Update,
			changed: []string{"map"},
		},
		"an element of a set": {
			config:  values{"set": cty.SetVal([]cty.Value{str("a")})},
			prior:   made(values{"set": cty.SetVal([]cty.Value{str("a"), str("b")})}),
			action:  Update,
			changed: []string{"set"},
		},
		"a list is emptied": {
			config:  values{"list": list()},
			prior:   made(values{"list": list("a")}),
			action:  Update,
			after:   values{"list": list()},
			changed: []string{"list"},
		},
		"a nested attribute": {
			config:  values{"disk": disk(values{"size": num(20)})},
			prior:   made(values{"disk": disk(values{"size": num(10), "serial": str("s")})}),
			action:  Update,
			after:   values{"disk": disk(values{"size": num(20), "serial": str("s")})},
			changed: []string{"disk.size"},
		},
		"an attribute in a list of blocks": {
			config: values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(80), "host": num(9090)}), port(values{"guest": num(443)})})},
			prior:  made(values{"port": twoPorts}),
			action: Update,
			after: values{"port": cty.ListVal([]cty.Value{
				port(values{"guest": num(80), "host": num(9090), "pid": str("p0")}),
				port(values{"guest": num(443), "pid": str("p1")}),
			})},
			changed: []string{"port[0].host"},
		},
		"drift is put right": {
			config: values{"note": str("n")},
			prior:  made(values{"note": str("n")}),
			change: func(p *Prior) {
				p.Current = object(thing(), made(values{"note": str("changed behind our back")}))
			},
			action:  Update,
			after:   values{"note": str("n")},
			changed: []string{"note"},
		},
		"any value: another type": {
			config:  values{"any": str("1")},
			prior:   made(values{"any": num(1)}),
			action:  Update,
			changed: []string{"any"},
		},

		// replace
		"an attribute that makes another object": {
			config:  values{"image": str("new")},
			prior:   made(values{"image": str("old")}),
			action:  Replace,
			after:   values{"image": str("new"), "id": unk, "zone": unk, "size": num(1)},
			changed: []string{"id", "image", "zone"},
			reasons: []string{"its image changed"},
		},
		"such an attribute is left out": {
			prior:   made(values{"image": str("old")}),
			action:  Replace,
			changed: []string{"id", "image", "zone"},
			reasons: []string{"its image changed"},
		},
		"such an attribute is unknown": {
			config:  values{"image": unk},
			prior:   made(values{"image": str("old")}),
			action:  Replace,
			after:   values{"image": unk},
			changed: []string{"id", "image", "zone"},
			reasons: []string{"its image is known only after apply"},
		},
		"a change beside it": {
			config:  values{"image": str("new"), "note": str("n")},
			prior:   made(values{"image": str("old")}),
			action:  Replace,
			changed: []string{"id", "image", "note", "zone"},
			reasons: []string{"its image changed"},
		},
		"a nested attribute that makes another object": {
			config:  values{"disk": disk(values{"kind": str("ssd")})},
			prior:   made(values{"disk": disk(values{"kind": str("tape"), "size": num(10), "serial": str("s")})}),
			action:  Replace,
			after:   values{"disk": disk(values{"kind": str("ssd"), "size": num(10), "serial": unk})},
			changed: []string{"id", "zone", "disk.kind", "disk.serial"},
			reasons: []string{"its disk.kind changed"},
		},
		"a block more": {
			config:  values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(80), "host": num(8080)}), port(values{"guest": num(443)}), port(values{"guest": num(22)})})},
			prior:   made(values{"port": twoPorts}),
			action:  Replace,
			changed: []string{"id", "zone", "port[0].pid", "port[1].pid", "port[2].guest", "port[2].pid"},
			reasons: []string{"its port[2].guest changed"},
		},
		"a block less": {
			config:  values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(80), "host": num(8080)})})},
			prior:   made(values{"port": twoPorts}),
			action:  Replace,
			changed: []string{"id", "zone", "port[0].pid", "port[1].guest", "port[1].pid"},
			reasons: []string{"its port[1].guest changed"},
		},
		"an unknown number of blocks": {
			config:  values{"port": cty.UnknownVal(cty.List(port(nil).Type()))},
			prior:   made(values{"port": twoPorts}),
			action:  Replace,
			changed: []string{"id", "zone", "port"},
			reasons: []string{"its port is known only after apply"},
		},
		"half made": {
			prior:   made(nil),
			change:  func(p *Prior) { p.Tainted = true },
			action:  Replace,
			after:   values{"id": unk},
			changed: []string{"id", "zone"},
			reasons: []string{"it was only half made"},
		},
		"half made, and changed": {
			config:  values{"image": str("new")},
			prior:   made(nil),
			change:  func(p *Prior) { p.Tainted = true },
			action:  Replace,
			changed: []string{"id", "image", "zone"},
			reasons: []string{"it was only half made", "its image changed"},
		},
		"asked for": {
			prior:   made(nil),
			asked:   true,
			action:  Replace,
			changed: []string{"id", "zone"},
			reasons: []string{"its replacement was asked for"},
		},
		"asked for, and not there": {
			asked:  true,
			action: Create,
		},
		"a type that cannot update": {
			config:  values{"note": str("n")},
			prior:   made(nil),
			typ:     func(t *Type) { t.NoUpdate = true },
			action:  Replace,
			changed: []string{"id", "note", "zone"},
			reasons: []string{"its note changed"},
		},
		"a type that cannot update, and need not": {
			prior:  made(nil),
			typ:    func(t *Type) { t.NoUpdate = true },
			action: NoOp,
		},

		// ignore_changes
		"ignored": {
			config:  values{"image": str("new")},
			prior:   made(values{"image": str("old")}),
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("image")} },
			action:  NoOp,
			after:   values{"image": str("old")},
		},
		"ignored, and not there yet": {
			config:  values{"image": str("new")},
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("image")} },
			action:  Create,
			after:   values{"image": str("new")},
		},
		"ignored while unknown": {
			config:  values{"image": unk},
			prior:   made(values{"image": str("old")}),
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("image")} },
			action:  NoOp,
		},
		"ignored, beside a change": {
			config:  values{"image": str("new"), "note": str("n")},
			prior:   made(values{"image": str("old")}),
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("image")} },
			action:  Update,
			after:   values{"image": str("old"), "note": str("n")},
			changed: []string{"note"},
		},
		"ignored and replaced all the same keeps the old value": {
			config:  values{"image": str("new")},
			prior:   made(values{"image": str("old")}),
			asked:   true,
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("image")} },
			action:  Replace,
			after:   values{"image": str("old")},
			changed: []string{"id", "zone"},
			reasons: []string{"its replacement was asked for"},
		},
		"an ignored key of a map": {
			config:  values{"map": cty.MapVal(map[string]cty.Value{"k": str("new"), "l": str("x")})},
			prior:   made(values{"map": cty.MapVal(map[string]cty.Value{"k": str("old"), "l": str("x")})}),
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("map").IndexString("k")} },
			action:  NoOp,
		},
		"an ignored key that the object lacks": {
			config:  values{"map": cty.MapVal(map[string]cty.Value{"k": str("new")})},
			prior:   made(nil),
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("map").IndexString("k")} },
			action:  NoOp,
		},
		"an ignored key that only the object has": {
			prior:   made(values{"map": cty.MapVal(map[string]cty.Value{"k": str("outside")})}),
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("map").IndexString("k")} },
			action:  NoOp,
		},
		"an ignored nested attribute": {
			config:  values{"disk": disk(values{"size": num(20)})},
			prior:   made(values{"disk": disk(values{"size": num(10), "serial": str("s")})}),
			desired: func(d *Desired) { d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("disk").GetAttr("size")} },
			action:  NoOp,
		},
		"an ignored element of a list of blocks": {
			config: values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(80), "host": num(1)}), port(values{"guest": num(443)})})},
			prior:  made(values{"port": twoPorts}),
			desired: func(d *Desired) {
				d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("port").IndexInt(0).GetAttr("host")}
			},
			action: NoOp,
		},
		"an ignored place that is not there": {
			config: values{"note": str("n")},
			prior:  made(nil),
			desired: func(d *Desired) {
				d.Lifecycle.IgnoreChanges = []cty.Path{cty.GetAttrPath("port").IndexInt(7).GetAttr("host")}
			},
			action:  Update,
			changed: []string{"note"},
		},
		"everything ignored": {
			config:  values{"image": str("new"), "note": unk, "disk": disk(values{})},
			prior:   made(values{"image": str("old")}),
			desired: func(d *Desired) { d.Lifecycle.IgnoreAll = true },
			action:  NoOp,
		},
		"everything ignored, and not there yet": {
			config:  values{"image": str("new")},
			desired: func(d *Desired) { d.Lifecycle.IgnoreAll = true },
			action:  Create,
			after:   values{"image": str("new"), "id": unk},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if test.typ != nil {
				test.typ(w.types["thing"])
			}
			w.block("thing.a", Single, func(Values) []Desired {
				d := want("thing.a", test.config)
				if test.desired != nil {
					test.desired(&d)
				}
				return []Desired{d}
			})
			var o Options
			if test.prior != nil {
				p := prior("thing.a", test.prior)
				if test.change != nil {
					test.change(&p)
				}
				o.Prior = []Prior{p}
			}
			if test.asked {
				o.Replace = append(o.Replace, at("thing.a"))
			}
			c := change(t, w.mustBuild(t, o), "thing.a")
			if c.Action != test.action {
				t.Errorf("got action %s, want %s", c.Action, test.action)
			}
			if got := paths(c.Changed); !slices.Equal(got, test.changed) {
				t.Errorf("got changed %q, want %q", got, test.changed)
			}
			if got := texts(c.Reasons); !slices.Equal(got, test.reasons) {
				t.Errorf("got reasons %q, want %q", got, test.reasons)
			}
			for k, v := range test.after {
				if got := c.After.GetAttr(k); !got.RawEquals(v) {
					t.Errorf("after: got %s = %#v, want %#v", k, got, v)
				}
			}
			if c.After.ContainsMarked() || c.Config.ContainsMarked() {
				t.Errorf("marks were left in the values")
			}
		})
	}
}
