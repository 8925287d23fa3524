package plan

import "github.com/nixos-compose/nxc/internal/addr"

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
			a.edge(gate, a.down[i], a.changes[i].Tainted || !old && a.changes[i].Deposed != 0)
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
