package plan

import (
	"errors"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/dag"
)

// finish drops the soft edges that would close a cycle and connects the nodes.
func (a *arranger) finish() (*Order, []Problem) {
	component, size := a.graph().Components()
	kept := a.edges[:0]
	for _, e := range a.edges {
		if !e.soft || component[e.from] != component[e.to] {
			kept = append(kept, e)
		}
	}
	a.edges = kept
	for _, e := range a.edges {
		from := &a.order.Nodes[e.from]
		from.Next = append(from.Next, e.to)
		a.order.Nodes[e.to].Waits++
	}
	for _, n := range size {
		if n > 1 {
			return a.order, a.check()
		}
	}
	return a.order, nil
}

func (a *arranger) graph() *dag.Graph[int] {
	var g dag.Graph[int]
	for i := range a.order.Nodes {
		g.Add(i)
	}
	for _, e := range a.edges {
		g.After(e.to, e.from)
	}
	return &g
}

// check looks for a cycle among the edges that were kept.
func (a *arranger) check() []Problem {
	g := a.graph()
	_, err := g.Levels()
	var cycle *dag.CycleError[int]
	if !errors.As(err, &cycle) {
		return nil
	}
	var path []addr.Instance
	for _, n := range cycle.Path {
		i := a.order.Nodes[n].Change
		if i >= 0 && (len(path) == 0 || path[len(path)-1] != a.changes[i].Addr) {
			path = append(path, a.changes[i].Addr)
		}
	}
	if len(path) > 1 && path[0] == path[len(path)-1] {
		path = path[1:]
	}
	return []Problem{circular(path)}
}

// circular explains that changes wait for each other.
func circular(path []addr.Instance) Problem {
	return Problem{
		Addr:    path[0],
		Summary: "There is no order for these changes",
		Detail: "Each would have to be made before the other: " + circle(path) + ". If they only exchange names, " +
			"addresses or ports, give one of them a third value, apply, and give it the other's then.",
	}
}
