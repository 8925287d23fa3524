package plan

import "github.com/nixos-compose/nxc/internal/addr"

// members finds changes by address: of an instance, a whole block or a whole
// deployment. Changes are named by their index.
type members struct {
	instance map[addr.Instance][]int // deposed ones included
	group    map[addr.Instance][]int
}

func membersOf(changes []Change) *members {
	m := &members{instance: make(map[addr.Instance][]int, len(changes)), group: map[addr.Instance][]int{}}
	for i := range changes {
		a := changes[i].Addr
		m.instance[a] = append(m.instance[a], i)
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
	return m.instance[a]
}
