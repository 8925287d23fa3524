package deploy

import (
	"context"
	"fmt"
	"slices"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

// Move gives what stands at one address another one, and returns what moved
// where.
func Move(ctx context.Context, store *state.Store, from, to addr.Instance) (moved [][2]addr.Instance, err error) {
	err = EditState(ctx, store, func(s *state.State) ([]edit, error) {
		var edits []edit
		edits, moved, err = moveTo(s, from, to)
		if err == nil && len(moved) == 0 {
			err = fmt.Errorf("%s: %w", from, ErrNothingThere)
		}
		return edits, err
	})
	return moved, err
}

// Forget takes objects out of the state and leaves them where they are. It
// returns what was forgotten.
func Forget(ctx context.Context, store *state.Store, list []addr.Instance) (forgotten []addr.Instance, err error) {
	err = EditState(ctx, store, func(s *state.State) ([]edit, error) {
		var all []edit
		for _, what := range list {
			edits := forget(s, what)
			if len(edits) == 0 {
				return nil, fmt.Errorf("%s: %w", what, ErrNothingThere)
			}
			for i := range edits {
				forgotten = append(forgotten, edits[i].at)
			}
			all = append(all, edits...)
		}
		return all, nil
	})
	return forgotten, err
}

// Taint marks objects to be replaced by the next apply, or takes that back.
func Taint(ctx context.Context, store *state.Store, list []addr.Instance, taint bool) (tainted []addr.Instance, err error) {
	err = EditState(ctx, store, func(s *state.State) ([]edit, error) {
		var all []edit
		if tainted, err = instancesOf(s, list); err != nil {
			return nil, err
		}
		for _, a := range tainted {
			r := s.Resource(a)
			switch {
			case r.Status == state.HalfMade && taint:
				return nil, fmt.Errorf("%s is half made; the next apply replaces it in any case", a)
			case r.Status == state.HalfMade:
				return nil, fmt.Errorf("%s is half made, which nothing but another one mends", a)
			case taint == (r.Status == state.Tainted):
				continue
			}
			c := r.Copy()
			c.Status = state.Ready
			if taint {
				c.Status = state.Tainted
			}
			all = append(all, edit{at: a, resource: c})
		}
		return all, nil
	})
	return tainted, err
}

// instancesOf returns what exists at addresses, which may be those of whole
// blocks, each once.
func instancesOf(s *state.State, list []addr.Instance) ([]addr.Instance, error) {
	var all []addr.Instance
	for _, a := range list {
		there := false
		for _, r := range s.ResourcesOf(a.Deployment) {
			if r.Exists() && (r.Address == a || r.Address.Block() == a) {
				there = true
				if !slices.Contains(all, r.Address) {
					all = append(all, r.Address)
				}
			}
		}
		if !there {
			return nil, fmt.Errorf("%s: %w", a, ErrNothingThere)
		}
	}
	return all, nil
}

// ReplaceProvider makes objects belong to another provider configuration, and
// returns how many did.
func ReplaceProvider(ctx context.Context, store *state.Store, from, to string) (n int, err error) {
	err = EditState(ctx, store, func(s *state.State) ([]edit, error) {
		var all []edit
		for _, d := range s.Deployments() {
			was, ok := d.Providers[from]
			if !ok {
				continue
			}
			edits := throughProvider(s.ResourcesOf(d.Name), from, to)
			if len(edits) == 0 {
				continue
			}
			// The one is on record until the last object is the other's.
			both := d.Copy()
			if other, there := both.Providers[to]; !there {
				both.Providers[to] = was
			} else if other.Location.Kind != was.Location.Kind || other.Location.ID != was.Location.ID {
				return nil, fmt.Errorf("%s made objects on %s and %s on %s; what exists in one place cannot belong to a provider of another", from, was.Location.Label, to, other.Location.Label)
			}
			one := both.Copy()
			delete(one.Providers, from)
			edits[0].record, edits[len(edits)-1].after = both, one
			n += len(edits)
			all = append(all, edits...)
		}
		if n == 0 {
			return nil, fmt.Errorf("no object in the state was made through the provider configuration %q", from)
		}
		return all, nil
	})
	return n, err
}

// throughProvider returns the edits that let the objects of one provider
// configuration belong to another.
func throughProvider(list []*state.Resource, from, to string) []edit {
	var edits []edit
	for _, r := range list {
		c := r.Copy()
		changed := c.Provider == from
		if changed {
			c.Provider = to
		}
		for i := range c.Deposed {
			if c.Deposed[i].Provider == from {
				c.Deposed[i].Provider, changed = to, true
			}
		}
		if changed {
			edits = append(edits, edit{at: r.Address, resource: c})
		}
	}
	return edits
}

// Push replaces the state's content by another state's. Both must be of one
// lineage, unless forced.
func Push(ctx context.Context, store *state.Store, other *state.State, force bool) error {
	if err := other.Verify(); err != nil {
		return err
	}
	return EditState(ctx, store, func(s *state.State) ([]edit, error) {
		if other.Lineage != s.Lineage && !force {
			return nil, fmt.Errorf("the pushed state has the lineage %s, and the one here %s: they describe different things; -force replaces it all the same", other.Lineage, s.Lineage)
		}
		return replaced(s, other), nil
	}, other.Names()...)
}

// replaced returns the edits that make one state another one. An object that
// stands at another address there moves in one step, and what goes goes last:
// whatever of it is done when the power goes, no object is forgotten that the
// other state knows.
func replaced(s, other *state.State) []edit {
	gone := map[string]addr.Instance{} // by the attempt
	for _, r := range s.Resources() {
		if other.Resource(r.Address) == nil {
			gone[r.Attempt] = r.Address
		}
	}
	var all []edit
	moved := map[addr.Instance]bool{}
	for _, r := range other.Resources() {
		e := edit{at: r.Address, resource: r, record: other.Deployment(r.Address.Deployment)}
		if from, moves := gone[r.Attempt]; moves && r.Attempt != "" && from.Deployment == r.Address.Deployment && s.Resource(r.Address) == nil {
			e.from, moved[from] = from, true
		}
		all = append(all, e)
	}
	for _, r := range s.Resources() {
		if other.Resource(r.Address) == nil && !moved[r.Address] {
			all = append(all, edit{at: r.Address})
		}
	}
	return all
}
