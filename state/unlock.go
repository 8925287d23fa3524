package state

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Lock is a lock of this state, as somebody else sees it.
type Lock struct {
	Name   string // "webserver::docker", "the top level", "the state file"
	Holder *Holder
	Alive  bool // the holder is a process of this host that runs

	path string
}

// Locks lists the locks that are held now, sorted by name.
func (s *Store) Locks() ([]Lock, error) {
	entries, err := os.ReadDir(s.lockFolder())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot look for locks: %w", err)
	}
	host, _ := os.Hostname()
	var all []Lock
	for _, e := range entries {
		path := filepath.Join(s.lockFolder(), e.Name())
		busy, err := lockHeld(path)
		if err != nil {
			return nil, fmt.Errorf("cannot look at the lock %s: %w", path, err)
		}
		if !busy {
			continue
		}
		l := Lock{Name: "the state file", Holder: readHolder(path), path: path}
		if name, ok := strings.CutPrefix(e.Name(), "deployment-"); ok {
			if l.Name, err = url.PathUnescape(name); err != nil {
				l.Name = name
			}
			if l.Name == topName {
				l.Name = "the top level"
			}
		}
		l.Alive = l.Holder != nil && l.Holder.Host == host && alive(l.Holder.PID)
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Lock) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// lockHeld reports whether anybody has a lock, for reading or writing.
func lockHeld(path string) (bool, error) {
	shared := false
	f, err := os.OpenFile(path, os.O_RDWR, 0) // NFS has exclusive locks only for who may write
	if errors.Is(err, os.ErrPermission) {
		shared = true // then those who read are not seen
		f, err = os.Open(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = flock(f, shared)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// Break makes a lock free for others: its file is taken away, and who comes
// next makes another. The holder is not stopped; when it comes to write, it
// finds the state changed and does not.
func (l *Lock) Break() error {
	if err := os.Remove(l.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot break the lock of %s: %w", l.Name, err)
	}
	return nil
}
