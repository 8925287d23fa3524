package state

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/internal/addr"
)

// BeginOptions say what a session is about.
type BeginOptions struct {
	Change []addr.Deployment // locked against everybody
	Read   []addr.Deployment // locked against change
	Lazy   bool              // results need not be durable before the next intent is
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
				x.lazy = o.Lazy
				return x, nil
			}
		}
		releaseAll(locks)
		return nil, err
	}
}

// Settle makes sure that there is a state, and that it is ours, so that
// commands that are about to begin together agree on its lineage.
func (s *Store) Settle(ctx context.Context) error {
	if err := s.mayBegin(ctx); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	_, err := s.loadOwned(ctx)
	return err
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
		x.neverBegan()
		return nil, err
	}
	return x, nil
}

// neverBegan removes the journal of a session that could not mark the state,
// unless the mark is there all the same: a mark without its journal would tell
// the next command that something is lost.
func (x *Session) neverBegan() {
	if file, _, err := x.store.read(); err == nil && file.openMark(x.command.Journal) < 0 {
		x.journal.drop()
		return
	}
	x.journal.close()
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
	x.journal, err = createJournal(x.store.options.Disk, x.store.journalFolder(), x.command.Journal,
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
