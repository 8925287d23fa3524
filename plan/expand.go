package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/dag"
)

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
