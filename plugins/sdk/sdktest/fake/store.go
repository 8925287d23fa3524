package fake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// store holds objects as ROOT/KIND/NAME/object.json. What is made carries its
// marks from the first moment: the folder appears whole, by a rename.
type store struct {
	root string
}

// object is what object.json holds.
type object struct {
	UUID     string            `json:"uuid"`
	Address  string            `json:"address"`
	Attempt  string            `json:"attempt"`
	Complete bool              `json:"complete"`
	Values   map[string]string `json:"values"`
}

// Faults that a resource may ask for.
const (
	createBefore = "create-before" // an error before anything exists
	createAfter  = "create-after"  // an error when half was made
	createHang   = "create-hang"   // waits, half made, until it is interrupted
	createCrash  = "create-crash"  // the plugin dies, half made
	failUpdate   = "update"
	failDelete   = "delete"
	failRead     = "read"
)

var faults = []string{createBefore, createAfter, createHang, createCrash, failUpdate, failDelete, failRead}

// exitCrash is the status of a plugin that was asked to crash.
const exitCrash = 66

// misbehave is for faults of Configure.
func misbehave(ctx context.Context, fault string) error {
	switch fault {
	case "":
		return nil
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	case "crash":
		fmt.Fprintln(os.Stderr, "fake: crashing, as asked")
		os.Exit(exitCrash)
	}
	return sdk.Error("The fake provider fails", "Its configuration says fail = "+fault+".")
}

func (s *store) folder(kind, name string) string { return filepath.Join(s.root, kind, name) }

// create makes the object, marked and half made, and completes it after delay.
func (s *store) create(ctx context.Context, op sdk.Operation, kind, name, fault, delay string, values map[string]string, fill func(folder string) error) error {
	if fault == createBefore {
		return sdk.AttributeError("fail", "The fake provider fails before it makes anything", "Remove fail.")
	}
	o := object{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Values: values}
	if err := s.claim(kind, name, &o); err != nil {
		return err
	}
	folder := s.folder(kind, name)
	if err := s.pretend(ctx, op, fault, delay); err != nil {
		return err
	}
	if fill != nil {
		if err := fill(folder); err != nil {
			return err
		}
	}
	o.Complete = true
	return s.write(kind, name, &o)
}

// pretend takes its time, and fails as asked.
func (s *store) pretend(ctx context.Context, op sdk.Operation, fault, delay string) error {
	d, err := time.ParseDuration(cmp.Or(delay, "0s"))
	if err != nil {
		return sdk.AttributeError("delay", "This is not a duration", "Write it as 200ms or 1m30s.")
	}
	if d > 0 {
		op.Phase("waiting " + d.String())
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch fault {
	case createAfter:
		return sdk.AttributeError("fail", "The fake provider fails half-way", "Remove fail.")
	case createHang:
		op.Phase("waiting for the end of the world")
		<-ctx.Done()
		return ctx.Err()
	case createCrash:
		fmt.Fprintln(os.Stderr, "fake: crashing, as asked")
		os.Exit(exitCrash)
	}
	return nil
}

// claim makes the folder with its marks in one step, or says who has the name.
func (s *store) claim(kind, name string, o *object) error {
	if err := s.log("create", kind, name); err != nil {
		return err
	}
	parent := filepath.Join(s.root, kind)
	tmp, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "object.json"), text, 0o600); err != nil {
		return err
	}
	err = os.Rename(tmp, s.folder(kind, name))
	if err == nil {
		return nil
	}
	os.RemoveAll(tmp)
	if _, there := s.read(kind, name); there == nil {
		return sdk.AttributeError("name", "The name is taken", fmt.Sprintf("%s exists already and is not this one. Choose another name.", s.folder(kind, name)))
	}
	return err
}

func (s *store) write(kind, name string, o *object) error {
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(s.folder(kind, name), "object.json")
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// read returns an object, or fs.ErrNotExist.
func (s *store) read(kind, name string) (*object, error) {
	text, err := os.ReadFile(filepath.Join(s.folder(kind, name), "object.json"))
	if err != nil {
		return nil, err
	}
	var o object
	return &o, json.Unmarshal(text, &o)
}

// mine returns the object of an attempt, or nil when it is gone or another's.
func (s *store) mine(kind, name, attempt string) (*object, error) {
	o, err := s.read(kind, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || o.Attempt != attempt {
		return nil, err
	}
	return o, nil
}

// remove deletes the object of an attempt. The folder leaves its name first,
// marks and all, so that a kill in between leaves nothing half deleted in use.
func (s *store) remove(kind, name, attempt, fault string) error {
	if fault == failDelete {
		return sdk.AttributeError("fail", "The fake provider does not delete", "Remove fail.")
	}
	o, err := s.mine(kind, name, attempt)
	if err != nil || o == nil {
		return err
	}
	if err := s.log("delete", kind, name); err != nil {
		return err
	}
	return os.RemoveAll(s.folder(kind, name))
}

// find returns the objects with a uuid, and their names.
func (s *store) find(kind, uuid string) (names []string, objects []*object, err error) {
	entries, err := os.ReadDir(filepath.Join(s.root, kind))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		o, err := s.read(kind, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if o.UUID == uuid {
			names, objects = append(names, e.Name()), append(objects, o)
		}
	}
	return names, objects, err
}

// log adds a line to ROOT/writes: one for each change made outside.
func (s *store) log(verb, kind, name string) error {
	if err := os.MkdirAll(filepath.Join(s.root, kind), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.root, "writes"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %s %s\n", verb, kind, name)
	return errors.Join(err, f.Close())
}

// Writes counts the changes that were made below a root, by any process.
func Writes(root string) int {
	text, _ := os.ReadFile(filepath.Join(root, "writes"))
	return strings.Count(string(text), "\n")
}

// Objects lists what exists below a root, as KIND/NAME, sorted.
func Objects(root string) []string {
	found, _ := filepath.Glob(filepath.Join(root, "*", "*", "object.json"))
	for i := range found {
		rel, _ := filepath.Rel(root, filepath.Dir(found[i]))
		found[i] = rel
	}
	return found
}
