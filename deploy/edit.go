package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

// edit is a change of the record alone: nothing outside is touched.
type edit struct {
	at       addr.Instance
	from     addr.Instance     // where the resource was until now, when it moves
	resource *state.Resource   // nil: forgotten
	record   *state.Deployment // of the deployment, when it must be changed before
	after    *state.Deployment // of the deployment, when it must be changed after
}

// on makes an edit in a state.
func (e *edit) on(s *state.State) {
	if e.record != nil {
		s.SetDeployment(e.record)
	}
	if e.from != (addr.Instance{}) {
		s.RemoveResource(e.from)
	}
	if e.resource == nil {
		s.RemoveResource(e.at)
	} else {
		s.SetResource(e.resource)
	}
	if e.after != nil {
		s.SetDeployment(e.after)
	}
}

// in makes an edit in a session, which writes it down.
func (e *edit) in(session *state.Session) error {
	if e.record != nil {
		if err := session.SetDeployment(e.record); err != nil {
			return err
		}
	}
	if err := session.Result(state.Result{Address: e.at, Resource: e.resource, From: e.from}); err != nil {
		return err
	}
	if e.after != nil {
		return session.SetDeployment(e.after)
	}
	return nil
}

// moveTo returns the edits that put what is on record at one address, or at
// all of a block's, to another one, and in what depends on it. A pair is what
// moved where; there is none when nothing stands at the first address.
func moveTo(s *state.State, from, to addr.Instance) (edits []edit, moved [][2]addr.Instance, err error) {
	switch {
	case from.Type != to.Type:
		return nil, nil, fmt.Errorf("%s cannot become %s: an object keeps its type", from, to)
	case from.Deployment != to.Deployment:
		return nil, nil, fmt.Errorf("%s cannot become %s: what exists carries its deployment's identity", from, to)
	}
	for _, r := range s.ResourcesOf(from.Deployment) {
		target := to
		switch {
		case r.Address == from:
		case from.Key.IsNone() && to.Key.IsNone() && r.Address.Block() == from:
			target.Key = r.Address.Key
		default:
			continue
		}
		if s.Resource(target) != nil {
			return nil, nil, fmt.Errorf("%s cannot become %s, which exists as well; remove one of them from the state with nxc state rm, or destroy it", r.Address, target)
		}
		there := r.Copy()
		there.Address = target
		edits = append(edits, edit{at: target, from: r.Address, resource: there})
		moved = append(moved, [2]addr.Instance{r.Address, target})
	}
	if len(moved) == 0 {
		return nil, nil, nil
	}
	after := s.Clone()
	for i := range edits {
		edits[i].on(after)
	}
	return append(edits, redirected(after, from, to, moved)...), moved, nil
}

// redirected returns the edits that make what depended on something that moved
// depend on it where it is now.
func redirected(s *state.State, from, to addr.Instance, moved [][2]addr.Instance) []edit {
	where := map[addr.Instance]addr.Instance{from: to}
	for _, m := range moved {
		where[m[0]] = m[1]
	}
	if !slices.ContainsFunc(s.ResourcesOf(from.Deployment), func(r *state.Resource) bool { return r.Address.Block() == from.Block() }) {
		where[from.Block()] = to.Block() // the last one of the block went
	}
	follow := func(list []addr.Instance) []addr.Instance {
		out := slices.Clone(list)
		for i := range out {
			if now, ok := where[out[i]]; ok {
				out[i] = now
			}
		}
		return out
	}
	var edits []edit
	for _, r := range s.Resources() {
		c := r.Copy()
		c.Dependencies = follow(r.Dependencies)
		same := slices.Equal(c.Dependencies, r.Dependencies)
		for i := range c.Deposed {
			c.Deposed[i].Dependencies = follow(r.Deposed[i].Dependencies)
			same = same && slices.Equal(c.Deposed[i].Dependencies, r.Deposed[i].Dependencies)
		}
		if !same {
			edits = append(edits, edit{at: r.Address, resource: c})
		}
	}
	return edits
}

// forget returns the edits that take what stands at an address, or at all of a
// block's, or in a whole deployment, out of the record.
func forget(s *state.State, what addr.Instance) []edit {
	var edits []edit
	for _, r := range s.ResourcesOf(what.Deployment) {
		whole := what == addr.Instance{Deployment: what.Deployment} && !what.Deployment.IsTop()
		if r.Address == what || r.Address.Block() == what || whole {
			edits = append(edits, edit{at: r.Address})
		}
	}
	return edits
}

// ErrNothingThere says that the state has nothing at an address.
var ErrNothingThere = errors.New("the state has nothing there; nxc state list shows what it has")

// EditState changes a state by hand, under its locks and with a journal, like
// every other command. change returns what is to be changed in the state that it
// is given, and must not change that; also names deployments that it may make.
func EditState(ctx context.Context, store *state.Store, change func(*state.State) ([]edit, error), also ...addr.Deployment) error {
	snapshot, err := store.Load(ctx)
	if err != nil {
		return err
	}
	for _, r := range snapshot.Recovered {
		if r.Verdict != state.Lost {
			return fmt.Errorf("%s, run by %s on %s, did not end, so the state may not have all that exists; run nxc state recover first", r.Command.Command, r.Command.User, r.Command.Host)
		}
	}
	if !snapshot.Found {
		return fmt.Errorf("there is no state at %s", store.Path())
	}
	for _, c := range snapshot.Running { // what they are about to make counts as well
		also = append(also, c.Deployments...)
	}
	session, err := store.Begin(ctx, state.BeginOptions{Change: append(snapshot.State.Names(), also...)})
	if err != nil {
		return err
	}
	defer session.Abort()
	if len(session.Recovered()) > 0 {
		return errors.New("a command that was waited for did not end as it should; run nxc state recover first")
	}
	edits, err := change(session.Base())
	if err != nil {
		return err
	}
	for i := range edits {
		if err := edits[i].in(session); err != nil {
			return err
		}
	}
	now := session.State()
	for _, name := range session.Deployments() {
		if len(now.ResourcesOf(name)) == 0 && len(session.Base().ResourcesOf(name)) > 0 {
			if err := session.RemoveDeployment(name); err != nil {
				return err
			}
		}
	}
	return session.End(ctx)
}
