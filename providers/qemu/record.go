package qemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// record stands in an object's folder from its first moment: whose it is, and
// what was asked for.
type record[T any] struct {
	UUID     string
	Address  string
	Attempt  string
	Complete bool
	Object   T
}

const recordFile = "object.json"

// begin makes an object's folder with its record, half made.
func begin[T any](op sdk.Operation, dir string, object T) error {
	r := record[T]{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Object: object}
	err := writeRecord(dir, r)
	if errors.Is(err, fs.ErrNotExist) {
		err = makeFolder(dir, r)
	}
	if err != nil {
		return fmt.Errorf("make the folder of %s: %w", op.Address, err)
	}
	return nil
}

// finish marks an object complete.
func finish[T any](dir string, object T) error {
	r, err := readRecord[T](dir)
	if err != nil {
		return err
	}
	r.Complete, r.Object = true, object
	return writeRecord(dir, r)
}

func writeRecord[T any](dir string, r record[T]) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, recordFile), append(text, '\n'))
}

// writeFile replaces a file in one step; only its owner may read it.
func writeFile(file string, content []byte) error {
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

func readRecord[T any](dir string) (record[T], error) {
	var r record[T]
	text, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", filepath.Join(dir, recordFile), err)
	}
	return r, nil
}

// exists reports whether the object's folder is there and the deployment's.
func exists[T any](op sdk.Operation, dir string) (bool, error) {
	r, err := readRecord[T](dir)
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

// foldersOf lists the folders of a kind's objects.
func (h *host) foldersOf(kind string) []string {
	entries, _ := os.ReadDir(h.folders.State) // not there: nothing was made yet
	var folders []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), kind+"-") {
			folders = append(folders, filepath.Join(h.folders.State, e.Name()))
		}
	}
	return folders
}

// find lists the objects of a kind that the deployment made.
func find[T any](h *host, op sdk.Operation, kind string) ([]sdk.Found[T], error) {
	h.sweep()
	var found []sdk.Found[T]
	for _, dir := range h.foldersOf(kind) {
		r, err := readRecord[T](dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile, or never begun
		}
		if err != nil {
			return nil, err
		}
		if r.UUID == op.UUID {
			found = append(found, sdk.Found[T]{Address: r.Address, Attempt: r.Attempt, Complete: r.Complete, Object: r.Object})
		}
	}
	return found, nil
}
