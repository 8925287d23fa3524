package plan

import (
	"context"
	"fmt"

	"github.com/nixos-compose/nxc/internal/addr"
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

// settle makes sure that a block that is not desired, selected or known at all
// is still there for those that ask.
func (b *builder) settle(name addr.Instance) {
	if _, ok := b.objects.blocks[name]; !ok && b.selected(name.Deployment) {
		b.objects.fail(name)
	}
}
