package plan

import "github.com/nixos-compose/nxc/internal/addr"

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
// one need not depend on that one itself: the other is half made, so that
// nothing was built on it; or it was replaced, and this one may have been made
// with its successor.
func outlived(c, on *Change) bool { return on.Tainted || on.Deposed != 0 && c.Deposed == 0 }
