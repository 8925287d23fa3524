package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// start begins the change of a desired instance: its configuration with its
// references filled, and without marks.
func (b *builder) start(d *Desired) (*Change, *Type, bool) {
	describe := b.o.Types.Resource
	if d.Addr.Data {
		describe = b.o.Types.Data
	}
	t, ok := describe(d.Provider, d.Addr.Type)
	if !ok {
		b.problem(Problem{Addr: d.Addr, Summary: "Unknown type " + d.Addr.Type, Detail: fmt.Sprintf("Provider %s has no type %s.", d.Provider, d.Addr.Type)})
		return nil, nil, false
	}
	s := b.shapes.of(t.Block)
	if d.Config == cty.NilVal || d.Config.IsNull() || !d.Config.IsKnown() {
		b.problem(Problem{Addr: d.Addr, Summary: "No configuration", Detail: fmt.Sprintf("Nothing is known of what %s should be. This is a bug in nxc.", d.Addr)})
		return nil, nil, false
	}
	config, marks := s.unmark(d.Config)
	if !s.fits(config) {
		b.problem(Problem{Addr: d.Addr, Summary: "The configuration does not fit its type", Detail: fmt.Sprintf("The values of %s have another shape than %s has in provider %s.", d.Addr, d.Addr.Type, d.Provider)})
		return nil, nil, false
	}
	c := &Change{
		Addr: d.Addr, Provider: d.Provider, Type: d.Addr.Type, Data: d.Addr.Data,
		Before: cty.NullVal(s.typ), After: cty.NullVal(s.typ), Config: config, Marks: marks,
		Dependencies: directly(d), References: d.References, Lifecycle: d.Lifecycle,
		CreateBeforeDestroy: d.Lifecycle.CreateBeforeDestroy,
		Deferred:            deferred(config, d.References),
	}
	problems := fill(c, b.objects)
	b.problem(problems...)
	if HasErrors(problems) {
		return nil, nil, false
	}
	b.planned[c.Addr] = true
	b.changes = append(b.changes, c)
	return c, t, true
}

// item adds what is on record to a change.
func (b *builder) item(c *Change, t *Type) *item {
	it := &item{change: c, typ: t, shape: b.shapes.of(t.Block)}
	p := b.prior[c.Addr]
	if p == nil {
		return it
	}
	c.Attempt, c.SchemaVersion = p.Attempt, p.SchemaVersion
	c.PriorDependencies, c.NotRefreshed = p.Dependencies, p.NotRefreshed
	if p.Current.IsNull() {
		c.Reasons = []Reason{{Text: gone(p)}}
		return it
	}
	if !it.shape.fits(p.Current) {
		b.problem(Problem{Addr: c.Addr, Summary: "The record does not fit its type", Detail: fmt.Sprintf("The recorded values of %s have another shape than %s has in provider %s now, and were not upgraded.", c.Addr, c.Type, c.Provider)})
		return it
	}
	c.Before = p.Current
	if p.Restore != nil {
		c.Before = p.Restore(p.Current, c.Config)
	}
	if p.Tainted {
		c.Tainted, c.CreateBeforeDestroy = true, false
		c.Reasons = append(c.Reasons, Reason{Text: cmp.Or(p.Gone, "it was only half made")})
	}
	if p.Unwanted != "" {
		c.Reasons = append(c.Reasons, Reason{Text: p.Unwanted})
	}
	if b.asked(c.Addr) {
		c.Reasons = append(c.Reasons, Reason{Text: "its replacement was asked for"})
	}
	return it
}

func gone(p *Prior) string {
	if p.Gone != "" {
		return p.Gone
	}
	return "was removed outside nxc"
}

// asked reports whether the user asked for an instance to be replaced.
func (b *builder) asked(a addr.Instance) bool {
	return slices.Contains(b.o.Replace, a) || slices.Contains(b.o.Replace, a.Block()) ||
		slices.Contains(b.o.Replace, BlockOf(a))
}

// decided publishes the outcome of one change.
func (b *builder) decided(c *Change, failed bool) {
	if failed {
		b.objects.forget(c.Addr)
		return
	}
	b.objects.Set(c.Addr, c.Provider, c.After, c.Marks)
	if c.Action != NoOp {
		b.pending[c.Addr] = c.Action
		if name := BlockOf(c.Addr); b.pending[name] == NoOp || c.Action == Replace {
			b.pending[name] = c.Action
		}
	}
}

// waits reports whether a data source must wait for changes.
func (b *builder) waits(d *Desired) bool {
	for _, a := range d.ReadAfter {
		if _, ok := b.pending[a]; ok {
			return true
		}
	}
	return false
}

// cause implements decider.cause: it names what becomes of the object that a
// value comes from.
func (b *builder) cause(c *Change, path cty.Path) string {
	for _, r := range c.References {
		if r.Path.HasPrefix(path) || path.HasPrefix(r.Path) {
			return whatBecomes(r.From, b.pending[r.From])
		}
	}
	for _, want := range []Action{Replace, Create, ReadLater} {
		for _, a := range c.Dependencies {
			if b.pending[a] == want {
				return whatBecomes(a, want)
			}
		}
	}
	return ""
}
