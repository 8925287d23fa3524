package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// LostError says that the state file is gone although it had something to say:
// beginning anew would leave what exists behind.
type LostError struct {
	Path      string
	Resources int       // that it had when it was last written; -1: no whole copy is left
	Written   time.Time // when that was
	Commands  []Command // that did not end, or still run
}

// Summary is the message's headline.
func (*LostError) Summary() string { return "The state file is gone" }

// Error says what is known of it, and the ways on.
func (e *LostError) Error() string {
	knew := "no whole copy of it is left"
	if e.Resources >= 0 {
		knew = fmt.Sprintf("it had %s when nxc last wrote it, on %s", counted(e.Resources), e.Written.Local().Format("2006-01-02 15:04:05"))
	}
	if len(e.Commands) > 0 {
		c := e.Commands[len(e.Commands)-1]
		knew += fmt.Sprintf("; %s, run by %s on %s, did not end", c.Command, c.User, c.Host)
	}
	return fmt.Sprintf("%s is not there any more, and %s; nothing was changed, because what exists would be forgotten; "+
		"bring the file back with git, or as nxc last wrote it: nxc state recover; "+
		"for deployments of your own beside those, type: nxc workspace new NAME", e.Path, knew)
}

func counted(resources int) string {
	if resources == 1 {
		return "1 resource"
	}
	return fmt.Sprintf("%d resources", resources)
}

// lostState is what is left of a state whose file is gone.
type lostState struct {
	lineage string
	token   string
	written time.Time
	copy    []byte // the file as it was last written; nil: there is none
	dead    []*Journal
	running map[string]bool
}

// copyPath returns where the state file's last content is kept, out of the
// reach of whoever cleans the project; "" when nothing is.
func (s *Store) copyPath(lineage string) string {
	home := s.Home(lineage)
	if home == "" {
		return ""
	}
	return filepath.Join(home, "state.json")
}

// keepCopy keeps what was written into the state file. It need not survive a
// power cut, and one that cannot be kept is no failure: the file is the record.
func (s *Store) keepCopy(lineage string, data []byte) {
	path := s.copyPath(lineage)
	if path == "" {
		return
	}
	temporary := path + tempSuffix
	if os.WriteFile(temporary, data, 0o600) != nil || os.Rename(temporary, path) != nil {
		_ = os.Remove(temporary)
	}
}

// findLost looks for a state that this file had before it was gone: one whose
// owner's record names this file, or that a journal here was written for. It
// returns nil when none of them had anything to say.
func (s *Store) findLost() (*lostState, error) {
	lineages, err := s.lineagesHere()
	if err != nil {
		return nil, err
	}
	var last *lostState
	for _, lineage := range lineages {
		l, err := s.leftOf(lineage)
		if err != nil {
			return nil, err
		}
		if l != nil && (last == nil || l.written.After(last.written)) {
			last = l
		}
	}
	return last, nil
}

func (s *Store) lineagesHere() ([]string, error) {
	var list []string
	here := filepath.Dir(s.path)
	if s.options.StateHome != "" {
		entries, err := os.ReadDir(s.options.StateHome)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot look for a state that was here before: %w", err)
		}
		for _, e := range entries {
			if r, _ := s.readOwnerRecord(e.Name()); r != nil && r.File == filepath.Base(s.path) && sameFolder(r, here) {
				list = append(list, e.Name())
			}
		}
	}
	journals, _ := filepath.Glob(filepath.Join(s.journalFolder(), "*"+journalSuffix))
	for _, path := range journals {
		j, err := ReadJournal(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its command has just ended
		}
		if err != nil {
			return nil, err
		}
		if j.Begin != nil && j.Begin.Workspace == s.workspace && !slices.Contains(list, j.Begin.Lineage) {
			list = append(list, j.Begin.Lineage)
		}
	}
	return list, nil
}

// leftOf returns what is left of a lineage's state, or nil when that is nothing.
func (s *Store) leftOf(lineage string) (*lostState, error) {
	l := &lostState{lineage: lineage}
	var err error
	if l.dead, l.running, err = s.journals(lineage); err != nil {
		return nil, err
	}
	said := len(l.running) > 0
	for _, j := range l.dead {
		if info, err := os.Stat(j.paths[0]); err == nil && info.ModTime().After(l.written) {
			l.written = info.ModTime()
		}
		said = said || len(j.Records) > 0
	}
	if path := s.copyPath(lineage); path != "" {
		if info, err := os.Stat(path); err == nil {
			l.written = info.ModTime()
			if l.copy, err = os.ReadFile(path); err != nil {
				return nil, fmt.Errorf("cannot read the copy of a state that was here before: %w", err)
			}
			had, err := Decode(path, l.copy)
			said = said || err != nil || had.Len() > 0
		}
	}
	if !said {
		return nil, nil
	}
	for _, token := range []string{s.options.OwnerToken, readToken(s.tokenPath(filepath.Dir(s.path), lineage))} {
		if l.token == "" {
			l.token = token
		}
	}
	if _, kept := s.readOwnerRecord(lineage); l.token == "" {
		l.token = kept
	}
	return l, nil
}

// err says that the state is lost.
func (l *lostState) err(path string) error {
	e := &LostError{Path: path, Written: l.written, Resources: -1}
	if had, err := Decode(path, l.copy); err == nil {
		e.Resources, e.Commands = had.Len(), had.Open
		return e
	}
	for _, j := range l.dead {
		if j.Begin != nil {
			e.Commands = append(e.Commands, j.Begin.Command)
		}
	}
	return e
}

// Restore puts a state file that is gone back, as it was last written, and
// returns a line that says so. It returns "" when there is a file, or nothing
// to put back. What commands that did not end had done is in their journals,
// which fit again.
func (s *Store) Restore(ctx context.Context) (notice string, err error) {
	if exists(s.path) {
		return "", nil
	}
	l, err := s.findLost()
	if err != nil || l == nil {
		return "", err
	}
	if err := s.prepare(); err != nil {
		return "", err
	}
	lock, err := s.lockFile(ctx)
	if err != nil {
		return "", err
	}
	defer lock.release()
	if exists(s.path) {
		return "", nil
	}
	file := &State{Lineage: l.lineage}
	if l.copy != nil {
		if file, err = Decode(s.copyPath(l.lineage), l.copy); err != nil {
			return "", fmt.Errorf("the state file is gone, and so is its copy: %w", err)
		}
	} else if l.token != "" {
		file.Owner = ownerOf(l.token, l.lineage, s.workspace)
	} else {
		l.token = s.claim(file)
		if err := s.keepToken(l.token, l.lineage); err != nil {
			return "", err
		}
	}
	if err := s.write(file); err != nil {
		return "", err
	}
	for _, j := range l.dead { // from the copies, where .nxc is gone as well; those do otherwise
		_ = os.Link(j.paths[0], filepath.Join(s.journalFolder(), j.Name+journalSuffix))
	}
	return fmt.Sprintf("%s was gone, and is back as nxc last wrote it: %s.", filepath.Base(s.path), counted(file.Len())), nil
}
