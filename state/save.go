package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// ChangedError says that the state file is not the one that a command began
// with, although it held the locks: somebody wrote or removed it by other means.
type ChangedError struct {
	Path   string
	Detail string
}

// Error names the file and what happened to it.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s was changed while this command ran, by hand or by a command that broke its lock: %s", e.Path, e.Detail)
}

// SaveError says that the state could not be written at a command's end, and
// where what it would have said is kept.
type SaveError struct {
	Path      string // of the state file
	Journal   string // path of the journal, when it holds all; the next command takes it from there
	Emergency string // path of a file with the whole state; "" when there is none
	Content   []byte // the whole state, when it could be kept nowhere: to be printed
	Err       error
}

// Error says what failed, and how nothing is lost.
func (e *SaveError) Error() string {
	text := fmt.Sprintf("the state could not be saved: %v", e.Err)
	if e.Journal != "" {
		text += "; the journal has everything, and the next nxc command takes it from there"
	}
	switch {
	case e.Emergency != "":
		text += fmt.Sprintf("; the whole state was written to %s: when the cause is gone, compare it with %s and put it in its place", e.Emergency, e.Path)
	case e.Journal == "":
		text += fmt.Sprintf("; it could be written nowhere else either: what follows on the standard output is the whole state, save it as %s", e.Path)
	}
	return text
}

// Unwrap returns what failed.
func (e *SaveError) Unwrap() error { return e.Err }

// End writes the state: what the session's deployments are now, and without
// its mark. Then the journal is of no more use, unless operations are open
// whose end is not known: then both stay for the next command. A failure is a
// *SaveError, and nothing is lost by it.
//
// It takes the context's values and not its end: an interrupted command saves.
func (x *Session) End(ctx context.Context) error {
	if !x.finish() {
		return nil
	}
	defer x.close()
	ctx = context.WithoutCancel(ctx)
	mend(x.current, x.change, x.touched)
	x.inherit()
	done := x.settled()
	journalErr := x.journal.append(&Record{End: &End{Hashes: x.current.Hashes(x.change), Done: done}})
	merged, saveErr := x.save(ctx, done)
	if saveErr == nil {
		x.backup()
		x.tidy(done)
		return nil // the journal, whole or not, is no longer needed
	}
	return x.rescue(merged, saveErr, journalErr)
}

// finish makes sure that only one End or Abort does anything.
func (x *Session) finish() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := !x.ended
	x.ended = true
	return first
}

// inherit announces anew, in this session's journal, what earlier journals left
// open and nobody answered: the state that is about to be written is none that
// those journals know, and they go.
func (x *Session) inherit() {
	var records []*Record
	var ops []operation
	for _, r := range x.recovered {
		if r.Verdict == OtherBase {
			continue // nothing of it is in the state: it goes on to stand for itself
		}
		for _, i := range r.Open {
			op := operation{i.Address, i.Attempt}
			if !x.answered[op] && !x.open[op] {
				records, ops = append(records, &Record{Intent: &i}), append(ops, op)
			}
		}
	}
	if len(records) == 0 || x.journal.append(records...) != nil {
		return
	}
	for _, op := range ops {
		x.open[op] = true
	}
}

// settled returns the dead commands' journals that are of no more use: all
// that they left open was answered, or is announced in this session's.
func (x *Session) settled() []string {
	var done []string
	for _, r := range x.recovered {
		if !slices.ContainsFunc(r.Open, func(i Intent) bool {
			op := operation{i.Address, i.Attempt}
			return !x.answered[op] && (r.Verdict == OtherBase || !x.open[op])
		}) {
			done = append(done, r.Journal)
		}
	}
	return done
}

// save merges the session's deployments into the file as it is now, because
// others may have written theirs meanwhile.
func (x *Session) save(ctx context.Context, done []string) (merged *State, err error) {
	err = x.store.update(ctx, func(file *State, found bool) error {
		if err := x.unchanged(file, found); err != nil {
			return err
		}
		for _, d := range x.change {
			file.take(d, x.current)
		}
		x.removeMarks(file, done)
		merged = file
		return nil
	})
	return merged, err
}

// unchanged makes sure that what the session locked is as it was.
func (x *Session) unchanged(file *State, found bool) error {
	fail := func(detail string) error { return &ChangedError{Path: x.store.path, Detail: detail} }
	switch {
	case !found:
		return fail("it was removed")
	case file.Lineage != x.base.Lineage:
		return fail("it is another state now")
	case file.Owner != x.base.Owner:
		return fail("somebody else has taken it over")
	}
	for _, d := range x.change {
		if !file.same(x.base, d) {
			return fail(lockName(d) + " is not as it was")
		}
	}
	return nil
}

func (x *Session) removeMarks(file *State, done []string) {
	file.Open = slices.DeleteFunc(file.Open, func(c Command) bool {
		if c.Journal == x.command.Journal {
			return len(x.open) == 0
		}
		return slices.Contains(done, c.Journal)
	})
}

// tidy removes the journals that the saved state makes superfluous. Its own
// goes last, because it says that the others are done.
func (x *Session) tidy(done []string) {
	for _, r := range x.recovered {
		if r.journal != nil && slices.Contains(done, r.Journal) {
			r.journal.drop()
		}
	}
	if len(x.open) == 0 {
		x.journal.drop()
	}
}

// rescue keeps the state somewhere else, where neither its file nor the
// journal does.
func (x *Session) rescue(merged *State, saveErr, journalErr error) error {
	e := &SaveError{Path: x.store.path, Err: errors.Join(saveErr, journalErr)}
	if journalErr == nil {
		e.Journal = x.journal.path
	}
	var changed *ChangedError
	if journalErr == nil && !errors.As(saveErr, &changed) {
		return e
	}
	if merged == nil {
		merged = x.current
	}
	data, err := merged.Encode()
	if err != nil {
		e.Err = errors.Join(e.Err, err)
		return e
	}
	name := filepath.Base(x.store.path) + ".emergency-" + x.command.Journal
	for _, folder := range []string{filepath.Dir(x.store.path), x.store.Home(x.base.Lineage), os.TempDir()} {
		if folder == "" {
			continue
		}
		path := filepath.Join(folder, name)
		if atomicfile.Write(path, data, 0o600) == nil {
			e.Emergency = path
			return e
		}
	}
	e.Content = data
	return e
}

// Abort gives a session up without End, and after End does nothing, so that it
// can be deferred. When nothing was journalled it leaves no trace; otherwise
// the journal stays, and the next command takes over what it says.
func (x *Session) Abort() {
	if !x.finish() {
		return
	}
	defer x.close()
	if x.dirty {
		return
	}
	err := x.store.update(context.Background(), func(file *State, found bool) error {
		if !found {
			return &ChangedError{Path: x.store.path, Detail: "it was removed"}
		}
		if i := file.openMark(x.command.Journal); i >= 0 {
			file.Open = slices.Delete(file.Open, i, i+1)
		}
		return nil
	})
	if err == nil {
		x.journal.drop()
	}
}

func (x *Session) close() {
	x.journal.close()
	releaseAll(x.locks)
}

// backups is how many earlier states are kept.
const backups = 5

// backup keeps the state as it was before this session, when the session
// changed it. A backup that cannot be written is no reason to fail: the state
// itself is saved.
func (x *Session) backup() {
	if x.base.IsEmpty() || x.sameAsBase() {
		return
	}
	data := x.bytes
	if data == nil || len(x.base.Open) > 0 {
		before := x.base.Clone()
		before.Open = nil
		var err error
		if data, err = before.Encode(); err != nil {
			return
		}
	}
	if os.MkdirAll(x.store.backupFolder(), 0o755) != nil {
		return
	}
	path := func(n int) string {
		return filepath.Join(x.store.backupFolder(), fmt.Sprintf("%s.%d", filepath.Base(x.store.path), n))
	}
	lock, err := x.store.lockFile(context.Background())
	if err != nil {
		return
	}
	defer lock.release()
	for n := backups; n > 1; n-- {
		_ = os.Rename(path(n-1), path(n))
	}
	_ = os.WriteFile(path(1), data, 0o600)
}

func (x *Session) sameAsBase() bool {
	for _, d := range x.change {
		if !x.current.same(x.base, d) {
			return false
		}
	}
	return true
}

// Backups returns the paths of the earlier states that are kept, the latest
// first.
func (s *Store) Backups() []string {
	entries, err := os.ReadDir(s.backupFolder())
	if err != nil {
		return nil
	}
	var all []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(s.path)+".") {
			all = append(all, filepath.Join(s.backupFolder(), e.Name()))
		}
	}
	return all
}
