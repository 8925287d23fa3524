package state

import (
	"slices"

	"github.com/nixos-compose/nxc/internal/addr"
)

// mend makes the dependencies of the deployments' resources fit what there is
// at a command's end: sorted, once each, on what exists, and never in a circle.
//
// What an object was built on may be found gone. And a resource that the
// command had no reason to touch keeps the dependencies of an older
// configuration, which may be the reverse of what today's says: where that
// makes a circle, the older one is dropped.
func mend(s *State, in []addr.Deployment, touched map[addr.Instance]bool) {
	there := thereIn(s)
	gone := func(a addr.Instance) bool { return !there.has(a) }
	for _, d := range in {
		for _, r := range s.ResourcesOf(d) {
			if !isTidy(r, gone) {
				s.SetResource(withDependencies(r, func(list []addr.Instance) []addr.Instance {
					list = slices.DeleteFunc(list, gone)
					slices.SortFunc(list, addr.Instance.Compare)
					return slices.Compact(list)
				}))
			}
		}
	}
	for {
		cycle := there.cycle(s.Resources())
		if cycle == nil {
			return
		}
		at := weakest(s, cycle, in, touched)
		if at < 0 {
			return // not for this command to break; Verify says what is wrong
		}
		next := cycle[(at+1)%len(cycle)]
		s.SetResource(withDependencies(s.Resource(cycle[at]), func(list []addr.Instance) []addr.Instance {
			return slices.DeleteFunc(list, func(a addr.Instance) bool { return a == next })
		}))
	}
}

// weakest picks the resource of a circle whose dependency is to go: one that
// the command did not touch, if there is one.
func weakest(s *State, cycle []addr.Instance, in []addr.Deployment, touched map[addr.Instance]bool) int {
	pick := func(mayTouched bool) int {
		return slices.IndexFunc(cycle, func(a addr.Instance) bool {
			return s.Resource(a) != nil && slices.Contains(in, a.Deployment) && (mayTouched || !touched[a])
		})
	}
	if at := pick(false); at >= 0 {
		return at
	}
	return pick(true)
}

// isTidy reports whether the dependencies of r are as mend would have them,
// circles aside.
func isTidy(r *Resource, gone func(addr.Instance) bool) bool {
	tidy := func(list []addr.Instance) bool {
		for n, a := range list {
			if gone(a) || n > 0 && list[n-1].Compare(a) >= 0 {
				return false
			}
		}
		return true
	}
	return tidy(r.Dependencies) && !slices.ContainsFunc(r.Deposed, func(i Incarnation) bool { return !tidy(i.Dependencies) })
}

// withDependencies returns r with every list of dependencies changed. change
// may use the list that it is given.
func withDependencies(r *Resource, change func([]addr.Instance) []addr.Instance) *Resource {
	c := r.Copy()
	c.Dependencies = change(c.Dependencies)
	for i := range c.Deposed {
		c.Deposed[i].Dependencies = change(slices.Clone(c.Deposed[i].Dependencies))
	}
	return c
}
