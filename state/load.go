package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// Snapshot is a state as a command finds it.
type Snapshot struct {
	State     *State // with what dead commands did put in
	Found     bool   // there is a file
	Ownership Ownership
	Recovered []*Recovery // dead commands that are not dealt with; empty as a rule
	Running   []Command   // commands that run now

	file     *State     // as the file has it
	bytes    []byte     // the file
	finished []*Journal // of no more use
}

// Load reads the state, and puts into it what dead commands did, as far as
// their journals fit. Nothing is locked and nothing written: what it finds may
// change the next moment, and Begin looks again. A file that is gone although
// it had something to say comes back as *LostError.
func (s *Store) Load(ctx context.Context) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, found, err := s.read()
	if err != nil {
		return nil, err
	}
	snap := &Snapshot{State: file.Clone(), Found: found, file: file, bytes: s.bytesOf(file)}
	if !found {
		if lost, err := s.findLost(); err != nil {
			return nil, err
		} else if lost != nil && !exists(s.path) {
			return nil, lost.err(s.path)
		}
		snap.Ownership = Ownership{Kind: Unowned}
		return snap, nil
	}
	if snap.Ownership = s.ownership(file); snap.Ownership.Kind == Foreign {
		return snap, nil
	}
	dead, running, err := s.journals(file.Lineage)
	if err != nil {
		return nil, err
	}
	var replayed []*Recovery
	snap.State, replayed = Replay(file, dead)
	for _, r := range replayed {
		if r.Verdict == Finished && r.Settled() && file.openMark(r.Journal) < 0 {
			snap.finished = append(snap.finished, r.journal)
			continue
		}
		snap.Recovered = append(snap.Recovered, r)
	}
	snap.addMarks(running)
	return snap, nil
}

// Untidy reports whether there are journals that are of no more use, because
// their commands died after they had saved. Begin removes them.
func (n *Snapshot) Untidy() bool { return len(n.finished) > 0 }

// addMarks sorts the open marks into those of running commands and those
// whose journal is lost.
func (n *Snapshot) addMarks(running map[string]bool) {
	for _, c := range n.file.Open {
		known := slices.ContainsFunc(n.Recovered, func(r *Recovery) bool { return r.Journal == c.Journal })
		switch {
		case running[c.Journal]:
			n.Running = append(n.Running, c)
		case !known:
			n.Recovered = append(n.Recovered, &Recovery{Journal: c.Journal, Command: c, Verdict: Lost})
		}
	}
}

// read is Read, which need not decode again what it has just decoded, and
// draws one lineage for a state that is not there, so that what is planned is
// what is applied. What it returns is shared, and must not be changed.
func (s *Store) read() (state *State, found bool, err error) {
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{Lineage: s.lineage}, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read the state: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != nil && bytes.Equal(s.bytes, data) {
		return s.state, true, nil
	}
	if state, err = Decode(s.path, data); err != nil {
		return nil, false, err
	}
	s.bytes, s.state = data, state
	return state, true, nil
}

// bytesOf returns the file that a state was read from, when it is still known.
func (s *Store) bytesOf(state *State) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != state {
		return nil
	}
	return s.bytes
}
