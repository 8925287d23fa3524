package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// values are the attributes of an object; those left out are null.
type values map[string]cty.Value

var (
	str  = cty.StringVal
	num  = cty.NumberIntVal
	null = cty.NullVal(cty.String)
	unk  = cty.UnknownVal(cty.String)
)

func list(ss ...string) cty.Value {
	if len(ss) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	var vs []cty.Value
	for _, s := range ss {
		vs = append(vs, str(s))
	}
	return cty.ListVal(vs)
}

// thing is a type with one attribute for every case.
func thing() *schema.Block {
	s, n := cty.String, cty.Number
	return &schema.Block{
		Attributes: []schema.Attribute{
			{Name: "any", Type: cty.DynamicPseudoType, Optional: true},
			{Name: "id", Type: s, Computed: true},
			{Name: "image", Type: s, Optional: true, Replace: true},
			{Name: "list", Type: cty.List(s), Optional: true},
			{Name: "map", Type: cty.Map(s), Optional: true},
			{Name: "name", Type: s, Optional: true, Exclusive: true},
			{Name: "note", Type: s, Optional: true},
			{Name: "secret", Type: s, Optional: true, Sensitive: true},
			{Name: "set", Type: cty.Set(s), Optional: true},
			{Name: "size", Type: n, Optional: true, Default: num(1)},
			{Name: "zone", Type: s, Optional: true, Computed: true},
		},
		Blocks: []schema.NestedBlock{
			{Name: "disk", Nesting: schema.Single, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "kind", Type: s, Optional: true, Replace: true},
				{Name: "serial", Type: s, Computed: true},
				{Name: "size", Type: n, Optional: true, Default: num(10)},
			}}},
			{Name: "port", Nesting: schema.List, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "guest", Type: n, Required: true, Replace: true},
				{Name: "host", Type: n, Optional: true, Exclusive: true},
				{Name: "pid", Type: s, Computed: true},
			}}},
		},
	}
}

// object builds a value of a block; what is left out is null, and lists of
// nested blocks are empty.
func object(b *schema.Block, v values) cty.Value {
	s := shapeOf(b)
	all := map[string]cty.Value{}
	for name, t := range s.typ.AttributeTypes() {
		all[name] = cty.NullVal(t)
	}
	for _, n := range s.nested {
		if n.nesting == schema.List {
			all[n.name] = cty.ListValEmpty(n.shape.typ)
		}
	}
	for name, given := range v {
		if _, ok := all[name]; !ok {
			panic("no attribute " + name)
		}
		all[name] = given
	}
	return cty.ObjectVal(all)
}

func nested(b *schema.Block, name string, v values) cty.Value {
	return object(&b.Nested(name).Block, v)
}

func port(v values) cty.Value { return nested(thing(), "port", v) }
func disk(v values) cty.Value { return nested(thing(), "disk", v) }

func at(s string) addr.Instance {
	a, err := addr.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

// world is a Source, Types and Planner in one, for tests.
type world struct {
	levels  [][]addr.Instance
	blocks  map[addr.Instance]func(known Values) (Expanded, []Problem)
	again   map[addr.Instance]func(known Values) cty.Value
	types   map[string]*Type
	refine  func(p Proposal) (Refined, []Problem)
	data    func(config cty.Value) (cty.Value, []Problem)
	batches []string // providers and sizes that Refine was asked
	reads   int
}

func newWorld() *world {
	return &world{
		blocks: map[addr.Instance]func(Values) (Expanded, []Problem){},
		again:  map[addr.Instance]func(Values) cty.Value{},
		types:  map[string]*Type{"thing": {Block: thing()}},
	}
}

// block adds a block to a group of its own.
func (w *world) block(name string, kind Kind, f func(known Values) []Desired) {
	a := addr.Instance{}
	if c, fl, ok := strings.Cut(name, "::"); ok {
		a.Deployment = addr.Deployment{Composition: c, Flavour: fl}
	} else {
		a = at(name)
	}
	w.levels = append(w.levels, []addr.Instance{a})
	w.blocks[a] = func(known Values) (Expanded, []Problem) {
		return Expanded{Kind: kind, Instances: f(known)}, nil
	}
}

// single adds a block with one instance and a constant configuration.
func (w *world) single(name string, v values) {
	w.block(name, Single, func(Values) []Desired { return []Desired{want(name, v)} })
}

func want(name string, v values) Desired {
	return Desired{Addr: at(name), Provider: "p", Config: object(thing(), v)}
}

func (w *world) Levels() [][]addr.Instance { return w.levels }

func (w *world) Instances(_ context.Context, b addr.Instance, known Values) (Expanded, []Problem) {
	return w.blocks[b](known)
}

func (w *world) Evaluate(_ context.Context, a addr.Instance, known Values) (cty.Value, []Problem) {
	return w.again[a](known), nil
}

func (w *world) Resource(_, typ string) (*Type, bool) { t, ok := w.types[typ]; return t, ok }
func (w *world) Data(_, typ string) (*Type, bool)     { t, ok := w.types[typ]; return t, ok }

func (w *world) Refine(_ context.Context, ps []Proposal) ([]Refined, []Problem) {
	w.batches = append(w.batches, fmt.Sprintf("%s %d", ps[0].Provider, len(ps)))
	var out []Refined
	var problems []Problem
	for _, p := range ps {
		r, found := w.refine(p)
		out = append(out, r)
		problems = append(problems, found...)
	}
	return out, problems
}

func (w *world) ReadData(_ context.Context, _ addr.Instance, _, _ string, config cty.Value) (cty.Value, []Problem) {
	w.reads++
	return w.data(config)
}

func (w *world) build(o Options) (*Plan, []Problem) {
	o.Source, o.Types, o.Planner = w, w, w
	return Build(context.Background(), o)
}

// mustBuild builds a plan that must be without problems.
func (w *world) mustBuild(t *testing.T, o Options) *Plan {
	t.Helper()
	p, problems := w.build(o)
	if len(problems) > 0 {
		t.Fatalf("got problems:\n%s", describe(problems))
	}
	return p
}

func describe(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s [%s]: %s: %s\n", p.Addr, FormatPath(p.Path), p.Summary, p.Detail)
	}
	return b.String()
}

// prior is an object on record that is as it was.
func prior(name string, v values) Prior {
	o := object(thing(), v)
	return Prior{Addr: at(name), Provider: "p", Recorded: o, Current: o, Attempt: "a1"}
}

// actions lists what a plan does, one line an object, leaving out what stays.
func actions(p *Plan) []string {
	var out []string
	for _, c := range p.Changes {
		if c.Action == NoOp {
			continue
		}
		line := c.Action.String() + " " + c.Addr.String()
		if c.Deposed != 0 {
			line += fmt.Sprintf(" deposed %d", c.Deposed)
		}
		if c.Action == Replace && c.CreateBeforeDestroy {
			line += " create first"
		}
		out = append(out, line)
	}
	return out
}

func change(t *testing.T, p *Plan, name string) *Change {
	t.Helper()
	i := slices.IndexFunc(p.Changes, func(c Change) bool { return c.Addr.String() == name && c.Deposed == 0 })
	if i < 0 {
		t.Fatalf("no change of %s", name)
	}
	return &p.Changes[i]
}

func paths(ps []cty.Path) []string {
	var out []string
	for _, p := range ps {
		out = append(out, FormatPath(p))
	}
	return out
}

func texts(rs []Reason) []string {
	var out []string
	for _, r := range rs {
		out = append(out, r.Text)
	}
	return out
}
