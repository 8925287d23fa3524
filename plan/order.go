package plan

import (
	"errors"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/dag"
)

// Phase is a part of a change that has a place of its own in the order.
type Phase uint8

const (
	// Up creates, updates or reads; for what needs nothing, it is the moment
	// from which the object counts as ready.
	Up Phase = iota
	// Down deletes; for what is not deleted, it is the moment from which
	// nothing that is deleted and once needed the object is left.
	Down
	// Settle looks, before the old object of a replacement is deleted, whether
	// what was not known at plan makes the replacement unnecessary.
	Settle
	// Gate stands for a whole block, so that instances of two blocks need not
	// each be connected with each.
	Gate
)

// Node is one phase of one change.
type Node struct {
	Phase  Phase
	Change int   // index in the plan's changes; -1 for a gate
	Next   []int // nodes that come after this one
	Waits  int   // how many edges lead here
}

// Order is the order in which a plan's changes may be made, as a graph without
// cycles.
type Order struct {
	Nodes []Node
	// Ready names, for each change, the node after which its object is ready
	// (-1: it will not exist), and Settled the one after which it is known
	// whether it is replaced (-1: it is known from the beginning).
	Ready, Settled []int

	upGates map[addr.Instance]int
	members *members
}

// Needs returns the nodes after which everything that a dependency means is
// ready, and the changes they belong to (-1 for a gate).
func (o *Order) Needs(on addr.Instance) []int {
	if gate, ok := o.upGates[on]; ok {
		return []int{gate}
	}
	var nodes []int
	for _, i := range o.members.of(on) {
		if o.Ready[i] >= 0 {
			nodes = append(nodes, o.Ready[i])
		}
	}
	return nodes
}

// Arrange orders changes:
//
//   - an object is created, updated or read after what it depends on;
//   - it is deleted after everything that depended on it;
//   - the old object of a replacement goes first, or last with
//     create_before_destroy;
//   - an object that takes an exclusive value over waits for the one that
//     gives it up.
//
// Where it does not contradict these, an object is deleted only after those
// that used it were changed not to, and those that depended on it through
// objects that stay; and an old object goes only after what the new one needs
// is ready, so that a failure leaves the old one in place.
func Arrange(changes []Change) (*Order, []Problem) {
	return arrange(changes, membersOf(changes))
}

func arrange(changes []Change, m *members) (*Order, []Problem) {
	a := &arranger{
		changes: changes,
		order: &Order{
			Ready:   make([]int, len(changes)),
			Settled: make([]int, len(changes)),
			upGates: map[addr.Instance]int{},
			members: m,
		},
		down:      make([]int, len(changes)),
		downGates: map[downGate]int{},
		lateGates: map[addr.Instance]int{},
	}
	for i := range changes {
		a.nodes(i)
	}
	for i := range changes {
		a.own(i)
		a.creation(i)
		a.deletion(i)
	}
	return a.finish()
}

type arranger struct {
	changes []Change
	order   *Order
	down    []int // node of each change, or -1
	edges   []edge

	downGates map[downGate]int      // before the deletion of a block's members
	lateGates map[addr.Instance]int // the same, softly; -1: no member is deleted late
}

// downGate names a gate: of what an address means, for old dependants or not.
type downGate struct {
	on  addr.Instance
	old bool
}

// edge puts one node after another; a soft one gives way when the order would
// have a cycle otherwise.
type edge struct {
	from, to int
	soft     bool
}

func (a *arranger) node(p Phase, change int) int {
	a.order.Nodes = append(a.order.Nodes, Node{Phase: p, Change: change})
	return len(a.order.Nodes) - 1
}

func (a *arranger) edge(from, to int, soft bool) {
	if from >= 0 && to >= 0 && from != to {
		a.edges = append(a.edges, edge{from, to, soft})
	}
}

// destroysFirst reports whether a change deletes the old object before it
// creates the new one.
func destroysFirst(c *Change) bool { return c.Action == Replace && !c.CreateBeforeDestroy }

// deletedLate reports whether a change's object is deleted when nothing that
// stays uses it any more.
func deletedLate(c *Change) bool {
	return c.Action == Delete || c.Action == Replace && c.CreateBeforeDestroy
}

// unresolved reports whether the configuration has values that become known
// during the apply.
func (c *Change) unresolved() bool {
	return c.Action != Delete && !c.Config.IsNull() && !c.Config.IsWhollyKnown()
}

// nodes makes the nodes of one change.
func (a *arranger) nodes(i int) {
	c := &a.changes[i]
	a.order.Settled[i], a.order.Ready[i], a.down[i] = -1, -1, -1
	if destroysFirst(c) && c.unresolved() {
		a.order.Settled[i] = a.node(Settle, i)
	}
	if !c.Data && !c.Before.IsNull() {
		a.down[i] = a.node(Down, i)
	}
	if c.Action != Delete {
		a.order.Ready[i] = a.node(Up, i)
	}
}

// own orders the phases of one change, and what it waits for.
func (a *arranger) own(i int) {
	c := &a.changes[i]
	up, down := a.order.Ready[i], a.down[i]
	if c.Action == Replace {
		if c.CreateBeforeDestroy {
			a.edge(up, down, false)
		} else {
			a.edge(down, up, false)
		}
	}
	a.edge(a.order.Settled[i], down, false)
	for _, w := range c.Waits {
		for _, h := range a.order.members.of(w) {
			switch holder := &a.changes[h]; {
			case h == i || holder.Addr != w:
			case holder.Action == Update:
				a.edge(a.order.Ready[h], up, false)
			case holder.Action == Delete || holder.Action == Replace:
				a.edge(a.down[h], up, false)
			}
		}
	}
}

// creation puts a change after what it depends on.
func (a *arranger) creation(i int) {
	c := &a.changes[i]
	if c.Action == Delete {
		return
	}
	up, down, settled := a.order.Ready[i], a.down[i], a.order.Settled[i]
	for _, on := range c.Dependencies {
		needed := a.needed(on)
		a.edge(needed, up, false)
		a.beforeLate(on, i)
		if !destroysFirst(c) {
			continue
		}
		first := down
		if settled >= 0 {
			first = settled
		}
		if one := a.only(on); one >= 0 && destroysFirst(&a.changes[one]) {
			// It cannot be ready before this one is deleted; but it may be
			// known that it stays.
			a.edge(a.order.Settled[one], first, true)
			continue
		}
		a.edge(needed, first, true)
	}
}

// deletion puts a change's deletion before that of what it depended on. What is
// not deleted only passes on what comes through it, softly.
func (a *arranger) deletion(i int) {
	c := &a.changes[i]
	stays := c.Action != Delete && c.Action != Replace
	for _, on := range c.PriorDependencies {
		if one := a.only(on); one >= 0 {
			a.edge(a.down[i], a.down[one], stays || outlived(c, &a.changes[one]))
		} else {
			a.edge(a.down[i], a.downGate(on, c.Deposed != 0), stays)
		}
		if stays {
			a.beforeLate(on, i)
		}
	}
}

// outlived reports whether an object that depends on the address of another
// one need not depend on that one itself: the other was replaced, and this one
// may have been made with its successor.
func outlived(c, on *Change) bool { return on.Deposed != 0 && c.Deposed == 0 }

// only returns the one change that an address means, or -1.
func (a *arranger) only(on addr.Instance) int {
	if list := a.order.members.of(on); len(list) == 1 {
		return list[0]
	}
	return -1
}

// needed returns the node after which all that an address means is ready.
func (a *arranger) needed(on addr.Instance) int {
	list := a.order.members.of(on)
	switch len(list) {
	case 0:
		return -1
	case 1:
		return a.order.Ready[list[0]]
	}
	gate, ok := a.order.upGates[on]
	if !ok {
		gate = a.node(Gate, -1)
		a.order.upGates[on] = gate
		for _, i := range list {
			a.edge(a.order.Ready[i], gate, false)
		}
	}
	return gate
}

// downGate returns the node before the deletion of all that an address means.
// There is one for dependants that are old objects, left over from a
// replacement, and one for the others: see outlived.
func (a *arranger) downGate(on addr.Instance, old bool) int {
	list := a.order.members.of(on)
	if len(list) == 0 {
		return -1
	}
	gate, ok := a.downGates[downGate{on, old}]
	if !ok {
		gate = a.node(Gate, -1)
		a.downGates[downGate{on, old}] = gate
		for _, i := range list {
			a.edge(gate, a.down[i], !old && a.changes[i].Deposed != 0)
		}
	}
	return gate
}

// beforeLate keeps what an address means from being deleted before change i,
// which used it or is to use its successor, is done.
func (a *arranger) beforeLate(on addr.Instance, i int) {
	gate, ok := a.lateGates[on]
	if !ok {
		gate = -1
		for _, m := range a.order.members.of(on) {
			if !deletedLate(&a.changes[m]) {
				continue
			}
			if gate < 0 {
				gate = a.node(Gate, -1)
			}
			a.edge(gate, a.down[m], true)
		}
		a.lateGates[on] = gate
	}
	a.edge(a.order.Ready[i], gate, true)
}

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
