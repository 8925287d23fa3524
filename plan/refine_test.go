package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// with returns an object with some attributes changed.
func with(o cty.Value, v values) cty.Value {
	all := o.AsValueMap()
	for k, x := range v {
		all[k] = x
	}
	return cty.ObjectVal(all)
}

func TestRefine(t *testing.T) {
	type asked struct{ prior, proposed, config cty.Value }
	tests := map[string]struct {
		config  values
		prior   values
		refine  func(p Proposal) Refined
		action  Action
		after   values
		reasons []string
		asks    int
	}{
		"agrees": {
			config: values{"note": str("n")},
			refine: func(p Proposal) Refined { return Refined{Planned: p.Proposed} },
			action: Create, after: values{"id": unk}, asks: 1,
		},
		"knows a computed value": {
			refine: func(p Proposal) Refined { return Refined{Planned: with(p.Proposed, values{"id": str("known")})} },
			action: Create, after: values{"id": str("known")}, asks: 1,
		},
		"forgets a computed value": {
			prior:  made(nil),
			refine: func(p Proposal) Refined { return Refined{Planned: with(p.Proposed, values{"zone": unk})} },
			action: Update, after: values{"zone": unk, "id": str("i1")}, asks: 1,
		},
		"is asked when nothing changes": {
			prior:  made(nil),
			refine: func(p Proposal) Refined { return Refined{Planned: p.Proposed} },
			action: NoOp, asks: 1,
		},
		"keeps a prior value that means the same": {
			config: values{"note": str("0.5G")},
			prior:  made(values{"note": str("512M")}),
			refine: func(p Proposal) Refined { return Refined{Planned: with(p.Proposed, values{"note": str("512M")})} },
			action: NoOp, after: values{"note": str("512M")}, asks: 1,
		},
		"wants another object": {
			config: values{"note": str("n")},
			prior:  made(nil),
			refine: func(p Proposal) Refined {
				return Refined{Planned: p.Proposed, Replace: []Reason{{Path: cty.GetAttrPath("note"), Text: "notes are carved in stone"}}}
			},
			action: Replace, after: values{"id": unk}, reasons: []string{"notes are carved in stone"}, asks: 2,
		},
		"wants another object without saying why": {
			config: values{"note": str("n")},
			prior:  made(nil),
			refine: func(p Proposal) Refined {
				return Refined{Planned: p.Proposed, Replace: []Reason{{Path: cty.GetAttrPath("note")}}}
			},
			action: Replace, reasons: []string{"its note changed"}, asks: 2,
		},
		"wants another object for no attribute": {
			prior:  made(nil),
			refine: func(p Proposal) Refined { return Refined{Planned: p.Proposed, Replace: []Reason{{}}} },
			action: Replace, reasons: []string{"its provider asks for it"}, asks: 2,
		},
		"the schema and the provider agree on a replacement": {
			config: values{"image": str("new")},
			prior:  made(nil),
			refine: func(p Proposal) Refined {
				return Refined{Planned: p.Proposed, Replace: []Reason{{Path: cty.GetAttrPath("image"), Text: "said so"}}}
			},
			action: Replace, reasons: []string{"said so"}, asks: 2,
		},
		"sees the new object of a replacement": {
			config: values{"image": str("new")},
			prior:  made(nil),
			refine: func(p Proposal) Refined {
				if p.Prior.IsNull() {
					return Refined{Planned: with(p.Proposed, values{"id": str("next")})}
				}
				return Refined{Planned: p.Proposed}
			},
			action: Replace, after: values{"id": str("next")}, reasons: []string{"its image changed"}, asks: 2,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.types["thing"].CustomPlan = true
			var got []asked
			w.refine = func(p Proposal) (Refined, []Problem) {
				got = append(got, asked{p.Prior, p.Proposed, p.Config})
				return test.refine(p), nil
			}
			w.single("thing.a", test.config)
			var o Options
			if test.prior != nil {
				o.Prior = []Prior{prior("thing.a", test.prior)}
			}
			c := change(t, w.mustBuild(t, o), "thing.a")
			if c.Action != test.action {
				t.Errorf("got action %s, want %s", c.Action, test.action)
			}
			for k, v := range test.after {
				if got := c.After.GetAttr(k); !got.RawEquals(v) {
					t.Errorf("after: got %s = %#v, want %#v", k, got, v)
				}
			}
			if got := texts(c.Reasons); !slices.Equal(got, test.reasons) {
				t.Errorf("got reasons %q, want %q", got, test.reasons)
			}
			if len(got) != test.asks {
				t.Errorf("the provider was asked %d times, want %d", len(got), test.asks)
			}
		})
	}
}

// TestRefineLies is the list of what a provider must not answer.
func TestRefineLies(t *testing.T) {
	config := values{
		"note": str("n"), "secret": str("s3cret"),
		"port": cty.ListVal([]cty.Value{port(values{"guest": num(80)})}),
		"list": cty.ListVal([]cty.Value{str("a"), unk}),
		"disk": disk(values{"size": num(20)}),
	}
	tests := map[string]struct {
		change  values
		planned *cty.Value
		want    []string
	}{
		"an attribute the user wrote":  {change: values{"note": str("x")}, want: []string{`it plans "x" for note, where the configuration says "n"`}},
		"an attribute becomes unknown": {change: values{"note": unk}, want: []string{`it plans unknown for note, where the configuration says "n"`}},
		"an attribute becomes null":    {change: values{"note": null}, want: []string{`it plans null for note`}},
		"a sensitive one is not shown": {change: values{"secret": str("x")}, want: []string{"it plans a sensitive value for secret"}},
		"an attribute nobody wrote":    {change: values{"image": str("x")}, want: []string{`it plans "x" for image, where the configuration says null`}},
		"a default":                    {change: values{"size": num(2)}, want: []string{"it plans 2 for size, where the configuration says 1"}},
		"computed ones are free":       {change: values{"id": str("x"), "zone": str("y")}},
		"a null list":                  {change: values{"list": cty.NullVal(cty.List(cty.String))}, want: []string{"it plans null for list"}},
		"a known part of a list":       {change: values{"list": list("b", "c")}, want: []string{"it plans a list of 2 for list"}},
		"an unknown part of a list":    {change: values{"list": list("a", "c")}},
		"a block is gone":              {change: values{"port": cty.ListValEmpty(port(nil).Type())}, want: []string{"for port, where"}},
		"a block more": {
			change: values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(80)}), port(values{"guest": num(81)})})},
			want:   []string{"for port, where"},
		},
		"a block is unknown": {change: values{"port": cty.UnknownVal(cty.List(port(nil).Type()))}, want: []string{"it plans unknown for port"}},
		"an element is null": {
			change: values{"port": cty.ListVal([]cty.Value{cty.NullVal(port(nil).Type())})},
			want:   []string{"it plans null for port[0]"},
		},
		"an attribute in a block": {
			change: values{"port": cty.ListVal([]cty.Value{port(values{"guest": num(81)})})},
			want:   []string{"it plans 81 for port[0].guest, where the configuration says 80"},
		},
		"an attribute in a single block": {change: values{"disk": disk(values{"size": num(1), "serial": str("x")})}, want: []string{"it plans 1 for disk.size"}},
		"a single block is gone":         {change: values{"disk": cty.NullVal(disk(nil).Type())}, want: []string{"it plans null for disk"}},
		"nothing":                        {planned: &cty.NilVal, want: []string{"another shape than the provider's own schema"}},
		"null":                           {planned: ptr(cty.NullVal(shapeOf(thing()).typ)), want: []string{"another shape"}},
		"unknown":                        {planned: ptr(cty.UnknownVal(shapeOf(thing()).typ)), want: []string{"another shape"}},
		"another type":                   {planned: ptr(cty.EmptyObjectVal), want: []string{"another shape"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.types["thing"].CustomPlan = true
			w.refine = func(p Proposal) (Refined, []Problem) {
				if test.planned != nil {
					return Refined{Planned: *test.planned}, nil
				}
				return Refined{Planned: with(p.Proposed, test.change)}, nil
			}
			w.single("thing.a", config)
			_, problems := w.build(Options{})
			if len(problems) != len(test.want) {
				t.Fatalf("got %d problems, want %d:\n%s", len(problems), len(test.want), describe(problems))
			}
			for i, want := range test.want {
				got := describe(problems[i : i+1])
				if !strings.Contains(got, want) || !strings.Contains(got, "Provider p planned") || !strings.Contains(got, "mistake in the provider") {
					t.Errorf("got %s\nwant %s", got, want)
				}
			}
		})
	}
}

func ptr(v cty.Value) *cty.Value { return &v }

func TestRefineInBatches(t *testing.T) {
	w := newWorld()
	w.types["thing"].CustomPlan = true
	w.refine = func(p Proposal) (Refined, []Problem) { return Refined{Planned: p.Proposed}, nil }
	w.block("thing.a", Count, func(Values) []Desired {
		return []Desired{want("thing.a[0]", nil), want("thing.a[1]", nil), want("thing.a[2]", nil)}
	})
	w.single("thing.b", nil)
	w.levels = [][]addr.Instance{{at("thing.a"), at("thing.b")}}
	w.block("thing.c", Single, func(Values) []Desired {
		d := want("thing.c", nil)
		d.Provider = "q"
		return []Desired{d}
	})
	w.mustBuild(t, Options{})
	if want := []string{"p 4", "q 1"}; !slices.Equal(w.batches, want) {
		t.Errorf("got batches %q, want %q", w.batches, want)
	}
}

func TestRefineFails(t *testing.T) {
	w := newWorld()
	w.types["thing"].CustomPlan = true
	w.refine = func(p Proposal) (Refined, []Problem) {
		return Refined{}, []Problem{{Addr: p.Addr, Summary: "no such image"}}
	}
	w.single("thing.a", nil)
	w.block("thing.b", Single, func(known Values) []Desired {
		if v, _ := known.Block(at("thing.a")); v != cty.DynamicVal {
			t.Errorf("got %#v for what failed", v)
		}
		return nil
	})
	if _, problems := w.build(Options{}); len(problems) != 1 || problems[0].Summary != "no such image" {
		t.Errorf("got %s", describe(problems))
	}
}
