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

// ID is the name that an object has outside, never another attempt's.
func ID(op sdk.Operation) string {
	sum := sha256.Sum256([]byte(op.UUID + "\x00" + op.Address + "\x00" + op.Attempt))
	return hex.EncodeToString(sum[:6])
}

// Begin makes an object's folder with its record, half made. The folder comes
// in one step, so that no instant leaves one that nobody knows.
func Begin[T any](op sdk.Operation, dir string, object T) error {
	r := Record[T]{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Object: object}
	if _, err := os.Stat(dir); err == nil {
		return r.write(dir)
	}
	err := os.MkdirAll(filepath.Dir(dir), 0o700)
	var made string
	if err == nil {
		made, err = os.MkdirTemp(filepath.Dir(dir), ".new-")
	}
	if err == nil {
		if err = r.write(made); err == nil {
			err = os.Rename(made, dir)
		}
		if err != nil {
			os.RemoveAll(made)
		}
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
	file := filepath.Join(dir, fileName)
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Read returns the record of a folder.
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

// Remove removes an object's folder, in one step.
func Remove(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), ".gone-"+filepath.Base(dir))
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(gone)
}

// Find lists the objects that a deployment made: those of the folders whose
// names begin with a prefix.
func Find[T any](folder, prefix, uuid string) ([]sdk.Found[T], error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // nothing was made yet
		return nil, err
	}
	var found []sdk.Found[T]
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		r, err := Read[T](filepath.Join(folder, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
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
