package plan

import "github.com/nixos-compose/nxc/internal/addr"

// members finds changes by address: of an instance, a whole block or a whole
// deployment. Changes are named by their index.
type members struct {
	keyed map[addr.Instance][]int // by address, those with a key
	group map[addr.Instance][]int // by block, and by deployment
}

func membersOf(changes []Change) *members {
	m := &members{keyed: map[addr.Instance][]int{}, group: make(map[addr.Instance][]int, len(changes))}
	for i := range changes {
		a := changes[i].Addr
		if !a.Key.IsNone() {
			m.keyed[a] = append(m.keyed[a], i)
		}
		block := a.Block()
		m.group[block] = append(m.group[block], i)
		if !a.Deployment.IsTop() {
			all := addr.Instance{Deployment: a.Deployment}
			m.group[all] = append(m.group[all], i)
		}
	}
	return m
}

// of returns the changes that an address means. Without a key it means all of
// a block, whatever keys its instances have.
func (m *members) of(a addr.Instance) []int {
	if a.Key.IsNone() {
		return m.group[a]
	}
	return m.keyed[a]
}
