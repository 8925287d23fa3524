package state

import (
	"slices"

	"github.com/nixos-compose/nxc/internal/addr"
)

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
func (t there) behind(a addr.Instance) []addr.Instance {
	if r := t.state.Resource(a); r != nil {
		return r.Dependencies
	}
	return t.blocks[a]
}

// cycle returns the addresses of a circle of dependencies, each of which
// depends on the next and the last on the first, or nil. It looks at the
// dependencies of current objects, in one pass over all.
func (t there) cycle(all []*Resource) []addr.Instance {
	const (
		onPath = 1
		done   = 2
	)
	type step struct {
		at   addr.Instance
		on   []addr.Instance
		next int
	}
	colour := make(map[addr.Instance]uint8, len(all))
	for _, start := range all {
		if colour[start.Address] != 0 {
			continue
		}
		path := []step{{at: start.Address, on: start.Dependencies}}
		colour[start.Address] = onPath
		for len(path) > 0 {
			top := &path[len(path)-1]
			if top.next == len(top.on) {
				colour[top.at] = done
				path = path[:len(path)-1]
				continue
			}
			to := top.on[top.next]
			top.next++
			switch colour[to] {
			case 0:
				colour[to] = onPath
				path = append(path, step{at: to, on: t.behind(to)})
			case onPath:
				from := slices.IndexFunc(path, func(s step) bool { return s.at == to })
				var cycle []addr.Instance
				for _, s := range path[from:] {
					cycle = append(cycle, s.at)
				}
				return cycle
			}
		}
	}
	return nil
}
