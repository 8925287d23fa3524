package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/dag"
)

// Build makes a plan. With problems that are errors the plan is incomplete and
// must not be applied; it is returned all the same, for what it shows.
func Build(ctx context.Context, o Options) (*Plan, []Problem) {
	b := &builder{
		o:       o,
		objects: newObjects(o.Types, o.SensitiveMark),
		shapes:  shapes{},
		prior:   map[addr.Instance]*Prior{},
		planned: map[addr.Instance]bool{},
		pending: map[addr.Instance]Action{},
	}
	b.decider = decider{planner: o.Planner, cause: b.cause}
	b.recorded()
	if !o.Destroy {
		b.desired(ctx)
	}
	b.deletions()
	return b.finish()
}

// builder collects a plan.
type builder struct {
	o       Options
	decider decider
	objects *Objects
	shapes  shapes

	prior   map[addr.Instance]*Prior // without deposed ones
	changes []*Change
	planned map[addr.Instance]bool // has a change, without deposed ones
	// pending says what happens to instances and, as a whole, to blocks;
	// those to which nothing happens are not in it.
	pending  map[addr.Instance]Action
	drift    []Drift
	problems []Problem
}

func (b *builder) selected(d addr.Deployment) bool {
	return b.o.Selected == nil || b.o.Selected(d)
}

func (b *builder) problem(ps ...Problem) { b.problems = append(b.problems, ps...) }

// recorded takes in what is on record: what it drifted to, and the values of
// what stays outside the plan.
func (b *builder) recorded() {
	outside := map[addr.Instance][]addr.Instance{}
	var blocks []addr.Instance
	for i := range b.o.Prior {
		p := &b.o.Prior[i]
		if p.Addr.Data {
			continue
		}
		b.drifted(p)
		if p.Deposed != 0 {
			continue
		}
		if _, twice := b.prior[p.Addr]; twice {
			b.problem(Problem{Addr: p.Addr, Summary: "Recorded twice", Detail: fmt.Sprintf("The state holds %s two times. It was not written by nxc like this: restore it from a backup.", p.Addr)})
			continue
		}
		b.prior[p.Addr] = p
		if p.Current.IsNull() || !b.o.Destroy && b.selected(p.Addr.Deployment) {
			continue
		}
		name := BlockOf(p.Addr)
		if outside[name] == nil {
			blocks = append(blocks, name)
		}
		outside[name] = append(outside[name], p.Addr)
		b.objects.Set(p.Addr, p.Provider, p.Current, nil)
	}
	for _, name := range blocks {
		b.objects.declare(name, kindOf(name, outside[name]), outside[name], nil)
	}
}

// kindOf tells a block's kind from the keys of its instances.
func kindOf(block addr.Instance, instances []addr.Instance) Kind {
	if !block.Deployment.IsTop() {
		return Deployment
	}
	kind := Single
	for _, a := range instances {
		if _, ok := a.Key.Text(); ok {
			return ForEach
		}
		if _, ok := a.Key.Int(); ok {
			kind = Count
		}
	}
	return kind
}

// desired plans all blocks, group by group.
func (b *builder) desired(ctx context.Context) {
	for _, group := range b.o.Source.Levels() {
		if err := ctx.Err(); err != nil {
			b.problem(Problem{Summary: "Planning was interrupted", Detail: "Nothing was changed."})
			return
		}
		var list []*Desired
		for _, block := range group {
			if block.Data || b.selected(block.Deployment) {
				list = append(list, b.expand(ctx, block)...)
			}
		}
		for _, level := range b.sublevels(list) {
			b.level(ctx, level)
		}
		for _, block := range group {
			b.settle(block)
		}
	}
}

// expand asks for a block's instances and declares the block's value.
func (b *builder) expand(ctx context.Context, name addr.Instance) []*Desired {
	expanded, problems := b.o.Source.Instances(ctx, name, b.objects)
	b.problem(problems...)
	if HasErrors(problems) {
		b.objects.fail(name)
		return nil
	}
	list := make([]*Desired, 0, len(expanded.Instances))
	seen := make(map[addr.Instance]bool, len(expanded.Instances))
	instances := make([]addr.Instance, 0, len(expanded.Instances))
	for i := range expanded.Instances {
		d := &expanded.Instances[i]
		if seen[d.Addr] {
			b.problem(Problem{Addr: d.Addr, Summary: "Two resources of one name", Detail: fmt.Sprintf("%s is desired twice. Each needs a key of its own.", d.Addr)})
			continue
		}
		seen[d.Addr] = true
		list = append(list, d)
		instances = append(instances, d.Addr)
	}
	b.objects.declare(name, expanded.Kind, instances, expanded.Node)
	return list
}

// sublevels orders the instances of one group: those of a deployment may refer
// to each other.
func (b *builder) sublevels(list []*Desired) [][]*Desired {
	if !slices.ContainsFunc(list, func(d *Desired) bool { return !d.Addr.Deployment.IsTop() }) {
		return [][]*Desired{list}
	}
	byAddr := make(map[addr.Instance]*Desired, len(list))
	for _, d := range list {
		byAddr[d.Addr] = d
	}
	var g dag.Graph[addr.Instance]
	for _, d := range list {
		g.Add(d.Addr)
		for _, on := range directly(d) {
			if byAddr[on] != nil && on.Deployment == d.Addr.Deployment {
				g.After(d.Addr, on)
			}
		}
	}
	levels, err := g.Levels()
	if err != nil {
		path := g.Cycle()
		b.problem(cycleProblem(path))
		for _, d := range list {
			b.objects.forget(d.Addr)
		}
		return nil
	}
	out := make([][]*Desired, len(levels))
	for i, level := range levels {
		for _, a := range level {
			out[i] = append(out[i], byAddr[a])
		}
	}
	return out
}

func cycleProblem(path []addr.Instance) Problem {
	return Problem{
		Addr:    path[0],
		Summary: "Resources need each other in a circle",
		Detail:  circle(path) + ". None of them can be made first: take one of these references away.",
	}
}

// circle spells a cycle, of which each needs the next one.
func circle(path []addr.Instance) string {
	if len(path) == 1 {
		return path[0].String() + " needs itself"
	}
	var b strings.Builder
	b.WriteString(path[0].String())
	for _, a := range path[1:] {
		b.WriteString(" needs " + a.String() + ", which")
	}
	b.WriteString(" needs " + path[0].String())
	return b.String()
}

// directly returns what an instance depends on, sorted, each once.
func directly(d *Desired) []addr.Instance {
	if len(d.DependsOn) == 0 && len(d.References) == 0 {
		return nil
	}
	list := make([]addr.Instance, 0, len(d.DependsOn)+len(d.References))
	list = append(list, d.DependsOn...)
	for _, r := range d.References {
		list = append(list, r.From)
	}
	slices.SortFunc(list, addr.Instance.Compare)
	return slices.Compact(list)
}

// level plans instances that do not depend on each other.
func (b *builder) level(ctx context.Context, list []*Desired) {
	var items []*item
	var data []*read
	for _, d := range list {
		c, t, ok := b.start(d)
		if !ok {
			b.objects.forget(d.Addr)
			continue
		}
		if c.Data {
			data = append(data, &read{change: c, shape: b.shapes.of(t.Block), wait: b.waits(d)})
			continue
		}
		items = append(items, b.item(c, t))
	}
	b.problem(b.decider.decide(ctx, items)...)
	b.problem(readAll(ctx, b.o.Planner, data)...)
	for _, it := range items {
		b.decided(it.change, it.failed)
	}
	for _, r := range data {
		b.decided(r.change, r.failed)
	}
}

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
	if p.Tainted {
		c.Reasons = append(c.Reasons, Reason{Text: "it was only half made"})
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

// settle makes sure that a block that is not desired, selected or known at all
// is still there for those that ask.
func (b *builder) settle(name addr.Instance) {
	if _, ok := b.objects.blocks[name]; !ok && b.selected(name.Deployment) {
		b.objects.fail(name)
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
