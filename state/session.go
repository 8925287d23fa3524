package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

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

	mu        sync.Mutex
	current   *State
	touched   map[addr.Instance]bool // it has a result
	open      map[operation]bool     // own intents without a result
	answered  map[operation]bool     // by results, of whichever command's intents
	recovered []*Recovery
	dirty     bool // something was journalled
	ended     bool
}

// BeginOptions say what a session is about.
type BeginOptions struct {
	Change []addr.Deployment // locked against everybody
	Read   []addr.Deployment // locked against change
}

// Begin starts a session: it takes the locks, reads the state, puts in what
// dead commands did to these deployments, opens a journal, and marks the state
// as open. Where a dead command worked on more deployments than asked for, the
// session has those as well.
//
// It returns a *ForeignError for a state that is somebody else's, a
// *LockedError when a lock is held for too long, an *InvariantError for a
// state that contradicts itself, and a *FileError for one that cannot be read.
func (s *Store) Begin(ctx context.Context, o BeginOptions) (*Session, error) {
	if err := s.mayBegin(ctx); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	change := sortedDeployments(o.Change)
	for {
		locks, err := s.lockDeployments(ctx, change, o.Read)
		if err != nil {
			return nil, err
		}
		snap, err := s.loadOwned(ctx)
		if err == nil {
			if wider := widen(change, snap.Recovered); len(wider) > len(change) {
				releaseAll(locks)
				change = wider
				continue
			}
			var x *Session
			if x, err = s.begin(ctx, locks, change, o.Read, snap); err == nil {
				return x, nil
			}
		}
		releaseAll(locks)
		return nil, err
	}
}

// mayBegin refuses what is somebody else's before anything is written.
func (s *Store) mayBegin(ctx context.Context) error {
	snap, err := s.Load(ctx)
	if err != nil {
		return err
	}
	return snap.Ownership.Err()
}

// loadOwned is Load for who is about to change the state: a state that is
// nobody's yet becomes ours, and journals that are of no more use go.
func (s *Store) loadOwned(ctx context.Context) (*Snapshot, error) {
	snap, err := s.Load(ctx)
	if err == nil && snap.Ownership.Kind == Unowned {
		if err = s.initialise(ctx); err == nil {
			snap, err = s.Load(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, j := range snap.finished { // oldest first: a later one may say that an earlier one is done
		j.drop()
	}
	s.sweepJournals()
	return snap, nil
}

// initialise writes a state file that is ours, unless somebody was faster.
func (s *Store) initialise(ctx context.Context) error {
	return s.update(ctx, func(file *State, _ bool) error {
		if file.Owner != "" {
			return nil
		}
		return s.keepToken(s.claim(file), file.Lineage)
	})
}

// widen adds to the deployments those that dead commands worked on together
// with one of them.
func widen(ds []addr.Deployment, recovered []*Recovery) []addr.Deployment {
	for {
		wider := ds
		for _, r := range recovered {
			touches := func(d addr.Deployment) bool { return slices.Contains(r.Command.Deployments, d) }
			if slices.ContainsFunc(wider, touches) {
				wider = sortedDeployments(slices.Concat(wider, r.Command.Deployments))
			}
		}
		if len(wider) == len(ds) {
			return ds
		}
		ds = wider
	}
}

func sortedDeployments(ds []addr.Deployment) []addr.Deployment {
	ds = slices.Clone(ds)
	slices.SortFunc(ds, addr.Deployment.Compare)
	return slices.Compact(ds)
}

func (s *Store) begin(ctx context.Context, locks []*fileLock, change, read []addr.Deployment, snap *Snapshot) (*Session, error) {
	if err := snap.Ownership.Err(); err != nil {
		return nil, err
	}
	x := &Session{
		store: s, locks: locks, change: change,
		base: snap.file, bytes: snap.bytes, notice: snap.Ownership.Notice(), token: snap.Ownership.token,
		touched: map[addr.Instance]bool{}, open: map[operation]bool{}, answered: map[operation]bool{},
	}
	x.takeOver(snap)
	x.current = x.begun.Clone()
	if err := s.keepToken(x.token, x.base.Lineage); err != nil {
		return nil, err
	}
	if err := x.openJournal(read); err != nil {
		return nil, err
	}
	if err := x.markOpen(ctx); err != nil {
		x.journal.drop()
		return nil, err
	}
	return x, nil
}

// takeOver picks, of what dead commands left, what concerns this session's
// deployments, and puts exactly that into its state.
func (x *Session) takeOver(snap *Snapshot) {
	var journals []*Journal
	for _, r := range snap.Recovered {
		mine := len(r.Command.Deployments) == 0 ||
			slices.ContainsFunc(r.Command.Deployments, func(d addr.Deployment) bool { return slices.Contains(x.change, d) })
		switch {
		case !mine:
		case r.journal == nil:
			x.recovered = append(x.recovered, r)
		default:
			journals = append(journals, r.journal)
		}
	}
	var replayed []*Recovery
	x.begun, replayed = Replay(x.base, journals)
	x.recovered = append(x.recovered, replayed...)
	slices.SortFunc(x.recovered, func(a, b *Recovery) int { return strings.Compare(a.Journal, b.Journal) })
}

func (x *Session) openJournal(read []addr.Deployment) error {
	me := self(x.store.options.Command)
	x.command = Command{
		Journal:     time.Now().UTC().Format("20060102T150405.000000") + "-" + randomHex(3),
		Deployments: x.change, Command: me.Command, User: me.User, Host: me.Host, PID: me.PID,
	}
	begin := &Begin{
		Lineage: x.base.Lineage, Workspace: x.store.workspace, Command: x.command,
		Base: x.begun.Hashes(x.change), Reads: x.begun.Hashes(read),
	}
	for _, r := range x.recovered {
		if r.journal != nil {
			begin.After = append(begin.After, r.Journal)
		}
	}
	var err error
	x.journal, err = createJournal(x.store.journalFolder(), x.command.Journal,
		x.store.journalCopies(x.base.Lineage), &Record{Begin: begin})
	return err
}

// markOpen adds this command to the open ones.
func (x *Session) markOpen(ctx context.Context) error {
	return x.store.update(ctx, func(file *State, found bool) error {
		if err := x.unchanged(file, found); err != nil {
			return err
		}
		file.Open = append(file.Open, x.command)
		return nil
	})
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
	if err := x.append(&Record{Intent: &i}); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open[operation{i.Address, i.Attempt}] = true
	return nil
}

// Result records what is at an address now, and returns when that is durable.
// It counts also when it cannot be made durable: then the error says so, and
// End saves it some other way.
func (x *Session) Result(r Result) error {
	if err := x.mayChange(r.Address.Deployment); err != nil {
		return err
	}
	if err := x.mayRecord(r); err != nil {
		return fmt.Errorf("%s: %w", r.Address, err)
	}
	err := x.append(&Record{Result: &r})
	x.mu.Lock()
	defer x.mu.Unlock()
	applyResult(x.current, &r)
	x.touched[r.Address] = true
	delete(x.open, operation{r.Address, r.Attempt})
	x.answered[operation{r.Address, r.Attempt}] = true
	return err
}

// mayRecord refuses what would make the whole state one that cannot be
// written. The operation stays open then, and is looked for by the next command.
func (x *Session) mayRecord(r Result) error {
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
	err := x.append(&Record{Deployment: c})
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

func (x *Session) append(r *Record) error {
	x.mu.Lock()
	if x.ended {
		x.mu.Unlock()
		return errors.New("the session has ended")
	}
	x.dirty = true
	x.mu.Unlock()
	return x.journal.append(r)
}
