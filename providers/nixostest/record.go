package nixostest

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

// idOf is the name that an object has outside, never another attempt's.
func idOf(op sdk.Operation) string {
	sum := sha256.Sum256([]byte(op.UUID + "\x00" + op.Address + "\x00" + op.Attempt))
	return hex.EncodeToString(sum[:6])
}

// folderOf is where an object's files lie; they live as long as it does.
func (h *host) folderOf(kind, id string) string {
	return filepath.Join(h.folders.State, kind+"-"+id)
}

// begin makes an object's folder with its record, half made. The folder comes
// in one step, so that no instant leaves one that nobody knows.
func begin[T any](op sdk.Operation, dir string, object T) error {
	r := record[T]{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Object: object}
	if _, err := os.Stat(dir); err == nil {
		return writeRecord(dir, r)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("make the folder of %s: %w", op.Address, err)
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err == nil {
		if err = writeRecord(made, r); err == nil {
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
	file := filepath.Join(dir, recordFile)
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
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

// remove removes an object's folder, its record first of all to go at once.
func remove(dir string) error {
	gone := filepath.Join(filepath.Dir(dir), ".gone-"+filepath.Base(dir))
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(gone)
}

// find lists the objects of a kind that the deployment made.
func find[T any](h *host, op sdk.Operation, kind string) ([]sdk.Found[T], error) {
	entries, _ := os.ReadDir(h.folders.State) // not there: nothing was made yet
	var found []sdk.Found[T]
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), kind+"-") {
			continue
		}
		r, err := readRecord[T](filepath.Join(h.folders.State, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
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
