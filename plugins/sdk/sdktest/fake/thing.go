package fake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Thing is a file.
type Thing struct {
	Name    string `nxc:"name,required,replace,exclusive" doc:"Name of the file's folder."`
	Content string `nxc:"content" doc:"What the file says. It changes in place."`
	Secret  string `nxc:"secret,sensitive" doc:"Something that is never shown."`
	Fail    string `nxc:"fail" doc:"Fault: create-before, create-after, create-hang, create-stuck, create-crash, update, delete or read."`
	Delay   string `nxc:"delay" doc:"How long its creation takes, such as 200ms."`
	ID      string `nxc:"id,computed" doc:"The attempt that made it."`
	Path    string `nxc:"path,computed" doc:"The file."`
	Size    int    `nxc:"size,computed" doc:"Length of the content, known at plan."`
}

const thingKind = "things"

type things struct{ *store }

var (
	_ sdk.Handler[Thing]   = things{}
	_ sdk.Updater[Thing]   = things{}
	_ sdk.Planner[Thing]   = things{}
	_ sdk.Validator[Thing] = things{}
	_ sdk.Importer[Thing]  = things{}
)

func (things) Validate(_ context.Context, c Thing) plugins.Diagnostics {
	return append(checkName(c.Name), checkFault(c.Fail)...)
}

func checkFault(fault string) plugins.Diagnostics {
	if fault == "" || slices.Contains(faults, fault) {
		return nil
	}
	return plugins.NewError(fmt.Sprintf("There is no fault %q", fault), "It is one of "+strings.Join(faults, ", ")+".")
}

// Plan knows the size before the thing exists.
func (t things) Plan(ctx context.Context, _ sdk.Operation, _ *Thing, p *sdk.Planned[Thing]) error {
	f := t.faultOf("plan", p.Value.Name)
	return t.guarded(ctx, f, func() error {
		if p.Unknown("content") {
			p.SetUnknown("size")
			return nil
		}
		p.Value.Size = len(f.lied(p.Value.Content))
		p.SetKnown("size")
		return nil
	})
}

func (t things) Create(ctx context.Context, op sdk.Operation, want *Thing) error {
	path := filepath.Join(t.folder(thingKind, want.Name), "content")
	made := false
	f := t.faultOf("create", want.Name)
	err := t.guarded(ctx, f, func() error {
		return t.create(ctx, op, thingKind, want.Name, want.Fail, want.Delay, nil, func(string) error {
			made = true
			want.Content = f.lied(want.Content)
			if err := t.strike(ctx, f, Half); err != nil {
				return err
			}
			return os.WriteFile(path, []byte(want.Content), 0o600)
		})
	})
	if o, _ := t.mine(thingKind, want.Name, op.Attempt); o != nil || made {
		want.ID, want.Path, want.Size = op.Attempt, path, len(want.Content)
	}
	return err
}

func (t things) Read(ctx context.Context, _ sdk.Operation, have *Thing) (exists bool, err error) {
	f := t.faultOf("read", have.Name)
	err = t.guarded(ctx, f, func() error {
		exists, err = t.look(have)
		have.Content = f.lied(have.Content)
		return err
	})
	return exists, err
}

// look reads a thing as it is.
func (t things) look(have *Thing) (bool, error) {
	if have.Fail == failRead {
		return false, sdk.AttributeError("fail", "The fake provider does not read", "Remove fail.")
	}
	o, err := t.mine(thingKind, have.Name, have.ID)
	if o == nil || !t.there(thingKind, have.Name) {
		return false, err
	}
	content, err := os.ReadFile(filepath.Join(t.folder(thingKind, have.Name), "content"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	have.Content, have.Size = string(content), len(content)
	return true, nil
}

func (t things) Update(ctx context.Context, _ sdk.Operation, have Thing, want *Thing) error {
	if want.Fail == failUpdate {
		return sdk.AttributeError("fail", "The fake provider does not update", "Remove fail.")
	}
	if err := t.log("update", thingKind, want.Name); err != nil {
		return err
	}
	want.ID, want.Path, want.Size = have.ID, have.Path, len(want.Content)
	f := t.faultOf("update", want.Name)
	return t.guarded(ctx, f, func() error {
		if f.When == Half {
			if err := os.WriteFile(have.Path, []byte(want.Content[:len(want.Content)/2]), 0o600); err != nil {
				return err
			}
			if err := t.strike(ctx, f, Half); err != nil {
				return err
			}
		}
		want.Content = f.lied(want.Content)
		return os.WriteFile(have.Path, []byte(want.Content), 0o600)
	})
}

func (t things) Delete(ctx context.Context, _ sdk.Operation, have *Thing) error {
	f := t.faultOf("delete", have.Name)
	return t.guarded(ctx, f, func() error {
		return t.remove(thingKind, have.Name, have.ID, have.Fail, func() error { return t.strike(ctx, f, Half) })
	})
}

func (t things) Find(ctx context.Context, op sdk.Operation) (found []sdk.Found[Thing], err error) {
	err = t.guarded(ctx, t.faultOf("find", "*"), func() error {
		found, err = t.all(op)
		return err
	})
	return found, err
}

// all lists what has the operation's uuid.
func (t things) all(op sdk.Operation) ([]sdk.Found[Thing], error) {
	names, objects, err := t.find(thingKind, op.UUID)
	var found []sdk.Found[Thing]
	for i, o := range objects {
		thing := Thing{Name: names[i], ID: o.Attempt, Path: filepath.Join(t.folder(thingKind, names[i]), "content")}
		if _, err := t.look(&thing); err != nil {
			return nil, err
		}
		found = append(found, sdk.Found[Thing]{Address: o.Address, Attempt: o.Attempt, Complete: t.complete(thingKind, names[i]), Object: thing})
	}
	return found, err
}

func (t things) Import(_ context.Context, _ sdk.Operation, id string) (*Thing, error) {
	o, err := t.read(thingKind, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	thing := &Thing{Name: id, ID: o.Attempt, Path: filepath.Join(t.folder(thingKind, id), "content")}
	_, err = t.look(thing)
	return thing, err
}

// ThingData is the data source: a thing that exists already.
type ThingData struct {
	Name    string `nxc:"name,required" doc:"Name of the thing."`
	Content string `nxc:"content,computed" doc:"What it says."`
}

func (s *store) readThing(ctx context.Context, want *ThingData) error {
	f := s.faultOf("data", want.Name)
	return s.guarded(ctx, f, func() error {
		err := s.readContent(want)
		want.Content = f.lied(want.Content)
		return err
	})
}

func (s *store) readContent(want *ThingData) error {
	content, err := os.ReadFile(filepath.Join(s.folder(thingKind, want.Name), "content"))
	if errors.Is(err, fs.ErrNotExist) {
		return sdk.AttributeError("name", fmt.Sprintf("There is no thing %q", want.Name), "Create it, or correct the name.")
	}
	want.Content = string(content)
	return err
}
