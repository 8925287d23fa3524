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

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// store holds an object as a folder ROOT/KIND/NAME and a mark beside it: a
// symbolic link NAME.mark that says whose it is. Making a link is one step, so
// what exists is marked from its first moment, whenever we are killed, and a
// name can be taken only once. The mark comes first and goes last.
type store struct {
	root string
	die  func()
}

// object is what a mark says.
type object struct {
	UUID    string            `json:"uuid"`
	Address string            `json:"address"`
	Attempt string            `json:"attempt"`
	Values  map[string]string `json:"values,omitempty"`
}

// Faults that a resource may ask for.
const (
	createBefore = "create-before" // an error before anything exists
	createAfter  = "create-after"  // an error when half was made
	createHang   = "create-hang"   // waits, half made, until it is interrupted
	createStuck  = "create-stuck"  // waits, half made, and hears of no interruption
	createCrash  = "create-crash"  // the plugin dies, half made
	failUpdate   = "update"
	failDelete   = "delete"
	failRead     = "read"
)

var faults = []string{createBefore, createAfter, createHang, createStuck, createCrash, failUpdate, failDelete, failRead}

// checkName keeps names inside the root.
func checkName(name string) plugins.Diagnostics {
	if name == "" || name == filepath.Base(name) && !strings.HasPrefix(name, ".") {
		return nil
	}
	return plugins.AtPath(cty.GetAttrPath("name"), fmt.Sprintf("%q cannot be the name of a folder", name), "Use a name without slashes that does not begin with a dot.")
}

// exitCrash is the status of a plugin that was asked to crash.
const exitCrash = 66

// misbehave is for faults of Configure.
func (s *store) misbehave(ctx context.Context, fault string) error {
	switch fault {
	case "":
		return nil
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	case "crash":
		s.die()
	}
	return sdk.Error("The fake provider fails", "Its configuration says fail = "+fault+".")
}

func (s *store) folder(kind, name string) string { return filepath.Join(s.root, kind, name) }

func (s *store) mark(kind, name string) string { return s.folder(kind, name) + markSuffix }

const markSuffix = ".mark"

// completeFile lies in the folder of an object whose creation was finished.
const completeFile = ".complete"

// holdPrefix and its name make the file that keeps an object from being completed.
const holdPrefix = "hold-"

// create makes the object, marked and half made, and completes it after delay,
// and when nobody holds it.
func (s *store) create(ctx context.Context, op sdk.Operation, kind, name, fault, delay string, values map[string]string, fill func(folder string) error) error {
	if fault == createBefore {
		return sdk.AttributeError("fail", "The fake provider fails before it makes anything", "Remove fail.")
	}
	o := object{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Values: values}
	if err := s.claim(kind, name, &o); err != nil {
		return err
	}
	folder := s.folder(kind, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	if err := s.pretend(ctx, op, name, fault, delay); err != nil {
		return err
	}
	if err := fill(folder); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, completeFile), nil, 0o600)
}

// pretend takes its time, and fails as asked.
func (s *store) pretend(ctx context.Context, op sdk.Operation, name, fault, delay string) error {
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
	if err := s.held(ctx, op, name); err != nil {
		return err
	}
	switch fault {
	case createAfter:
		return sdk.AttributeError("fail", "The fake provider fails half-way", "Remove fail.")
	case createHang:
		op.Phase("waiting for the end of the world")
		<-ctx.Done()
		return ctx.Err()
	case createStuck:
		op.Phase("waiting for the end of the world")
		<-make(chan struct{})
	case createCrash:
		s.die()
	}
	return nil
}

// held waits while somebody holds the object.
func (s *store) held(ctx context.Context, op sdk.Operation, name string) error {
	for {
		if _, err := os.Lstat(filepath.Join(s.root, holdPrefix+name)); err != nil {
			return nil
		}
		op.Phase("waiting for somebody to let go")
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// claim makes the mark, or says that the name is taken.
func (s *store) claim(kind, name string, o *object) error {
	if err := s.log("create", kind, name); err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	err = os.Symlink(string(text), s.mark(kind, name))
	if errors.Is(err, fs.ErrExist) && s.abandoned(kind, name, o.UUID) {
		os.Remove(s.mark(kind, name))
		err = os.Symlink(string(text), s.mark(kind, name))
	}
	if errors.Is(err, fs.ErrExist) {
		return sdk.AttributeError("name", "The name is taken", fmt.Sprintf("%s exists already and is not this one. Choose another name.", s.folder(kind, name)))
	}
	return err
}

// abandoned reports whether a mark is the deployment's own and has no folder:
// somebody removed it by hand.
func (s *store) abandoned(kind, name, uuid string) bool {
	o, err := s.read(kind, name)
	return err == nil && o.UUID == uuid && !s.there(kind, name)
}

func (s *store) there(kind, name string) bool {
	_, err := os.Stat(s.folder(kind, name))
	return err == nil
}

// read returns an object, or fs.ErrNotExist.
func (s *store) read(kind, name string) (*object, error) {
	text, err := os.Readlink(s.mark(kind, name))
	if err != nil {
		return nil, err
	}
	var o object
	return &o, json.Unmarshal([]byte(text), &o)
}

// complete reports whether the object's creation was finished.
func (s *store) complete(kind, name string) bool {
	_, err := os.Stat(filepath.Join(s.folder(kind, name), completeFile))
	return err == nil
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

// remove deletes the object of an attempt, the mark last, so that what is half
// deleted is still found.
func (s *store) remove(kind, name, attempt, fault string, half func() error) error {
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
	if err := os.RemoveAll(s.folder(kind, name)); err != nil {
		return err
	}
	if err := half(); err != nil {
		return err
	}
	return os.Remove(s.mark(kind, name))
}

// find returns the objects with a uuid, and their names.
func (s *store) find(kind, uuid string) (names []string, objects []*object, err error) {
	entries, err := os.ReadDir(filepath.Join(s.root, kind))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), markSuffix)
		if !ok {
			continue
		}
		o, err := s.read(kind, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if o.UUID == uuid {
			names, objects = append(names, name), append(objects, o)
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

// Objects lists what exists below a root, each folder and each mark, sorted.
func Objects(root string) []string {
	found, _ := filepath.Glob(filepath.Join(root, "*", "*"))
	for i := range found {
		found[i], _ = filepath.Rel(root, found[i])
	}
	return found
}

// Attempts lists the attempts of all objects below a root, each with the uuid
// of its deployment.
func Attempts(root string) map[string]string {
	marks, _ := filepath.Glob(filepath.Join(root, "*", "*"+markSuffix))
	all := map[string]string{}
	for _, mark := range marks {
		var o object
		if text, err := os.Readlink(mark); err == nil && json.Unmarshal([]byte(text), &o) == nil {
			all[o.Attempt] = o.UUID
		}
	}
	return all
}
