// Package record keeps, in a folder on this machine, whose an object is: for
// providers whose objects carry no mark of their own outside, or more than can
// be written there.
//
// A record is there before its object is, and goes after it, so that what a
// killed command left is found by Find. The package knows nothing of what the
// objects are.
package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Record says whose an object is, and what was asked for.
type Record[T any] struct {
	UUID     string
	Address  string
	Attempt  string
	Complete bool
	Object   T
}

const fileName = "object.json"

// ID is the name that an object has outside: short enough for sockets, and
// never another attempt's.
func ID(op sdk.Operation) string {
	sum := sha256.Sum256([]byte(op.UUID + "\x00" + op.Address + "\x00" + op.Attempt))
	return hex.EncodeToString(sum[:6])
}

// Begin makes an object's folder with its record, half made. A folder that is
// there already is kept, and its record begins again.
func Begin[T any](op sdk.Operation, dir string, object T) error {
	r := Record[T]{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Object: object}
	err := r.write(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = r.makeFolder(dir)
	}
	if err != nil {
		return fmt.Errorf("make the folder of %s: %w", op.Address, err)
	}
	return nil
}

// Finish marks an object complete.
func Finish[T any](dir string, object T) error {
	r, err := Read[T](dir)
	if err != nil {
		return err
	}
	r.Complete, r.Object = true, object
	return r.write(dir)
}

func (r Record[T]) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return Replace(filepath.Join(dir, fileName), append(text, '\n'))
}

// Replace replaces a file in one step; only its owner may read it. The disk is
// not waited for: what a record is about does not outlive a crash of the host
// either.
func Replace(file string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		os.Remove(temporary.Name())
	}
	return err
}

// Read returns the record of a folder; an error that is fs.ErrNotExist where
// there is none.
func Read[T any](dir string) (Record[T], error) {
	var r Record[T]
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", filepath.Join(dir, fileName), err)
	}
	return r, nil
}

// Exists reports whether an object's folder is there. That of another
// deployment than the operation's is an error.
func Exists[T any](op sdk.Operation, dir string) (bool, error) {
	r, err := Read[T](dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if op.UUID != "" && r.UUID != op.UUID {
		return false, fmt.Errorf("%s belongs to another deployment (%s)", dir, r.UUID)
	}
	return true, nil
}

// Find lists the objects that a deployment made: those of the folders below
// parent whose names begin with a prefix.
func Find[T any](parent, prefix, uuid string) ([]sdk.Found[T], error) {
	sweep(parent)
	dirs, err := Folders(parent, prefix)
	if err != nil {
		return nil, err
	}
	var found []sdk.Found[T]
	for _, dir := range dirs {
		r, err := Read[T](dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile, or never begun
		}
		if err != nil {
			return nil, err
		}
		if r.UUID == uuid {
			found = append(found, sdk.Found[T]{Address: r.Address, Attempt: r.Attempt, Complete: r.Complete, Object: r.Object})
		}
	}
	return found, nil
}

// Folders lists the objects' folders below parent whose names begin with a
// prefix, whosever they are.
func Folders(parent, prefix string) ([]string, error) {
	entries, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // nothing was made yet
		return nil, err
	}
	var folders []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			folders = append(folders, filepath.Join(parent, e.Name()))
		}
	}
	return folders, nil
}
