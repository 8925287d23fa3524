package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// An object's folder comes with its record and goes with it, in one step each,
// so that no instant leaves a folder that nobody knows: it is made and removed
// under another name. What a command that was killed left under such a name,
// the next Find removes.
const (
	newFolder  = ".new-"  // and the process that makes it
	goneFolder = ".gone-" // and what it was called
)

// makeFolder makes an object's folder around its record.
func (r Record[T]) makeFolder(dir string) error {
	parent := filepath.Dir(dir)
	var made string
	err := fs.ErrNotExist
	// A command that ends without objects removes the parent when it is empty:
	// that may happen between the two.
	for tries := 0; errors.Is(err, fs.ErrNotExist) && tries < 100; tries++ {
		if err = os.MkdirAll(parent, 0o700); err == nil {
			made, err = os.MkdirTemp(parent, fmt.Sprintf("%s%d-", newFolder, os.Getpid()))
		}
	}
	if err != nil {
		return err
	}
	err = r.write(made)
	if err == nil {
		err = os.Rename(made, dir)
	}
	if err != nil {
		os.RemoveAll(made)
	}
	return err
}

// Remove removes an object's folder, and forgives that it is gone.
func Remove(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), goneFolder+filepath.Base(dir))
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(gone)
}

// sweep removes folders that a command that was killed was making or removing.
func sweep(parent string) {
	entries, _ := os.ReadDir(parent) // not there: nothing was made yet
	for _, e := range entries {
		dead := strings.HasPrefix(e.Name(), goneFolder)
		if rest, ok := strings.CutPrefix(e.Name(), newFolder); ok {
			digits, _, _ := strings.Cut(rest, "-")
			pid, err := strconv.Atoi(digits)
			dead = err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
		}
		if dead {
			os.RemoveAll(filepath.Join(parent, e.Name())) // or the next one does
		}
	}
}
