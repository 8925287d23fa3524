package state

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Session is one command that changes the state. It holds the locks of the
// deployments that it changes, writes a journal, and writes the state file
// twice: first to say that it runs, last to say what there is now.
//
// Its methods may be called from many goroutines at once, except that what
// concerns one address comes in order, and that End and Abort come last.
type Session struct {
	store   *Store
	locks   []*fileLock
	change  []addr.Deployment
	base    *State // the file when it began
	bytes   []byte // of it, when they are known
	begun   *State // with what dead commands did
	notice  string
	token   string
	command Command
	journal *journalWriter
	lazy    bool // see BeginOptions

	mu        sync.Mutex
	current   *State
	touched   map[addr.Instance]bool // it has a result
	open      map[operation]bool     // own intents without a result
	answered  map[operation]bool     // by results, of whichever command's intents
	recovered []*Recovery
	dirty     bool // something was journalled
	ended     bool
	watch     watch
}

// Notice returns a line to show to the user, or "": that the state was taken
// back into this folder.
func (x *Session) Notice() string { return x.notice }

// Deployments returns what the session may change, in order.
func (x *Session) Deployments() []addr.Deployment { return slices.Clone(x.change) }

// Recovered says what dead commands left to be dealt with.
func (x *Session) Recovered() []*Recovery { return slices.Clone(x.recovered) }

// Sealer makes and recognises the fingerprints of this state's secrets.
func (x *Session) Sealer() *Sealer { return newSealer(x.token) }

// Sealer recognises the fingerprints of the state's secrets, where it is ours.
func (n *Snapshot) Sealer() *Sealer { return newSealer(n.Ownership.token) }

// Base returns the state that the session began with, what dead commands did
// included. It must not be changed.
func (x *Session) Base() *State { return x.begun }

// State returns the state as it is now. It costs a pass over all resources:
// for one, ask Resource.
func (x *Session) State() *State {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.current.Clone()
}

// Resource returns what is at an address now, or nil.
func (x *Session) Resource(a addr.Instance) *Resource {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.current.Resource(a)
}

// Deployment returns a deployment's record as it is now, or nil.
func (x *Session) Deployment(d addr.Deployment) *Deployment {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.current.Deployment(d)
}

// Err returns the first failure to write the journal. After one, no new
// operation may start.
func (x *Session) Err() error { return x.journal.failure() }

// Ready reports why no operation may begin now, announced or not; nil when one
// may.
func (x *Session) Ready() error {
	if err := x.journal.failure(); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.saveable()
}

// Intent announces an operation, and returns when that is durable: only then
// may the operation begin. An error means that it must not. UUID and Provider
// are filled in from the deployment's record.
func (x *Session) Intent(i Intent) error {
	if err := x.mayChange(i.Address.Deployment); err != nil {
		return err
	}
	record := x.Deployment(i.Address.Deployment)
	switch {
	case record == nil:
		return fmt.Errorf("%s: its deployment is not recorded yet", i.Address)
	case i.Attempt == "":
		return fmt.Errorf("%s: an operation without an attempt", i.Address)
	case i.Action != Delete && i.Planned == nil:
		return fmt.Errorf("%s: an operation without a planned object", i.Address)
	}
	if i.Planned != nil {
		if err := recordable(i.Planned, record); err != nil {
			return fmt.Errorf("%s: %w", i.Address, err)
		}
	}
	provider, known := record.Providers[i.ProviderName]
	if !known {
		return fmt.Errorf("%s: its provider %q is not recorded in its deployment", i.Address, i.ProviderName)
	}
	i.UUID, i.Provider = record.UUID, provider
	x.mu.Lock()
	err := x.saveable()
	x.mu.Unlock()
	if err != nil {
		return err
	}
	if err := x.append(&Record{Intent: &i}, true); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open[operation{i.Address, i.Attempt}] = true
	return nil
}

// Result records what is at an address now, and returns when that is durable;
// in a lazy session, at once: it is durable before the next intent is. It
// counts also when it cannot be made durable: then an error says so, at the
// latest that of End, which saves it some other way.
func (x *Session) Result(r Result) error {
	if err := x.mayChange(r.Address.Deployment); err != nil {
		return err
	}
	if err := x.mayRecord(r); err != nil {
		return fmt.Errorf("%s: %w", r.Address, err)
	}
	err := x.append(&Record{Result: &r}, !x.lazy)
	x.mu.Lock()
	defer x.mu.Unlock()
	applyResult(x.current, &r)
	x.touched[r.Address], x.touched[r.From] = true, true
	delete(x.open, operation{r.Address, r.Attempt})
	x.answered[operation{r.Address, r.Attempt}] = true
	return err
}

// mayRecord refuses what would make the whole state one that cannot be
// written. The operation stays open then, and is looked for by the next command.
func (x *Session) mayRecord(r Result) error {
	if r.moved() && r.From.Deployment != r.Address.Deployment {
		return fmt.Errorf("%s is in another deployment", r.From)
	}
	if r.Resource == nil {
		return nil
	}
	record := x.Deployment(r.Address.Deployment)
	switch {
	case record == nil:
		return errors.New("its deployment is not recorded yet")
	case r.Resource.Address != r.Address:
		return fmt.Errorf("the result is one of %s", r.Resource.Address)
	case !r.Resource.Exists() && len(r.Resource.Deposed) == 0:
		return errors.New("the result is a resource without any object")
	}
	if r.Resource.Exists() {
		if err := recordable(&r.Resource.Incarnation, record); err != nil {
			return err
		}
	}
	for i := range r.Resource.Deposed {
		if err := recordable(&r.Resource.Deposed[i], record); err != nil {
			return err
		}
	}
	return nil
}

// recordable reports why an object cannot be written into the state.
func recordable(i *Incarnation, record *Deployment) error {
	if _, known := record.Providers[i.Provider]; !known {
		return fmt.Errorf("its provider %q is not recorded in its deployment", i.Provider)
	}
	for _, a := range i.Dependencies {
		if !spellable(a) {
			return fmt.Errorf("it depends on %q, which is no address", a)
		}
	}
	return nil
}

// SetDeployment records a deployment. It must come before the first intent
// that concerns it, with every provider that is to be used.
func (x *Session) SetDeployment(d *Deployment) error {
	if d.UUID == "" {
		return fmt.Errorf("%s: a deployment without a uuid", lockName(d.Name))
	}
	x.mu.Lock()
	needed := x.current.providersOf(d.Name)
	x.mu.Unlock()
	for _, name := range needed {
		if _, kept := d.Providers[name]; !kept {
			return fmt.Errorf("%s: it still has objects of the provider %q", lockName(d.Name), name)
		}
	}
	return x.changeDeployment(&DeploymentChange{Name: d.Name, Record: d.Copy()})
}

// RemoveDeployment forgets a deployment's record, after the last of its
// resources is gone.
func (x *Session) RemoveDeployment(d addr.Deployment) error {
	x.mu.Lock()
	left := len(x.current.resources[d])
	x.mu.Unlock()
	if left > 0 {
		return fmt.Errorf("%s: it still has %d resources", lockName(d), left)
	}
	return x.changeDeployment(&DeploymentChange{Name: d})
}

func (x *Session) changeDeployment(c *DeploymentChange) error {
	if err := x.mayChange(c.Name); err != nil {
		return err
	}
	err := x.append(&Record{Deployment: c}, true)
	x.mu.Lock()
	defer x.mu.Unlock()
	applyDeployment(x.current, c)
	return err
}

func (x *Session) mayChange(d addr.Deployment) error {
	if !slices.Contains(x.change, d) {
		return fmt.Errorf("%s is not among the deployments that this command has locked", lockName(d))
	}
	return nil
}

func (x *Session) append(r *Record, wait bool) error {
	x.mu.Lock()
	if x.ended {
		x.mu.Unlock()
		return errors.New("the session has ended")
	}
	x.dirty = true
	x.mu.Unlock()
	if wait {
		return x.journal.append(r)
	}
	_, err := x.journal.queue(r)
	return err
}
