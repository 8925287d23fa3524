package state

import "github.com/nixos-compose/nxc/internal/addr"

// there says which blocks have resources. A dependency names one instance, or
// a whole block of them (its address without a key): what refers to a block
// with a thousand instances has one dependency, not a thousand.
type there struct {
	state  *State
	blocks map[addr.Instance][]addr.Instance // to their instances
}

func thereIn(s *State) there {
	t := there{state: s, blocks: map[addr.Instance][]addr.Instance{}}
	for _, in := range s.resources {
		for a := range in {
			if block := a.Block(); block != a {
				t.blocks[block] = append(t.blocks[block], a)
			}
			if !a.Deployment.IsTop() {
				whole := addr.Instance{Deployment: a.Deployment}
				t.blocks[whole] = append(t.blocks[whole], a)
			}
		}
	}
	return t
}

// has reports whether a is there: an instance, a block with at least one, or
// a deployment with at least one resource.
func (t there) has(a addr.Instance) bool {
	return t.state.Resource(a) != nil || len(t.blocks[a]) > 0
}

// behind returns what a depends on directly: a resource's dependencies, or the
// instances of a block.
func (t there) behind(s *State, a addr.Instance) []addr.Instance {
	if r := s.Resource(a); r != nil {
		return r.Dependencies
	}
	return t.blocks[a]
}
