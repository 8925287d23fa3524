package sdktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
)

// mortalFlaw tells a child of the test program what its provider does in the
// wrong order. A plugin gets the variables that begin with its name.
const mortalFlaw = "MORTAL_FLAW"

// TestDeadlyFlawsAreSeen runs the suite on providers that do things in an order
// which is fine as long as nobody kills them.
func TestDeadlyFlawsAreSeen(t *testing.T) {
	for flaw, want := range map[string]string{
		"none":              "PASS",
		"create marks last": "a create killed",
		"update makes anew": "an update killed",
		"delete unmarks":    "a removal killed",
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			tries := 5 // on a busy machine a kill may come before anything was done
			if flaw == "none" {
				tries = 1
			}
			var out []byte
			for range tries {
				cmd := exec.Command(os.Args[0], "-test.run=^TestMortal$", "-test.v")
				cmd.Env = append(os.Environ(), mortalFlaw+"="+flaw)
				var err error
				out, err = cmd.CombinedOutput()
				if failed := err != nil; failed != (flaw == "none") && strings.Contains(string(out), want) {
					return
				}
			}
			t.Errorf("want %q in\n%s", want, out)
		})
	}
}

func TestMortal(t *testing.T) {
	flaw := os.Getenv(mortalFlaw)
	if flaw == "" {
		t.Skip("TestDeadlyFlawsAreSeen runs this in a child process")
	}
	root := t.TempDir()
	sdktest.Run(t, sdktest.Suite{
		Provider: mortalProvider(), Command: sdktest.Self(),
		Config: map[string]any{"root": root, "flaw": flaw},
		Outside: func(*testing.T) []string {
			list, _ := filepath.Glob(filepath.Join(root, "*"))
			return list
		},
		Cases: []sdktest.Case{{
			Type: "mortal_thing", Config: map[string]any{"content": "one"}, Update: map[string]any{"content": "two"}, Kills: 2,
		}},
	})
}

func mortalProvider() sdk.Provider {
	m := &mortal{}
	return sdk.Provider{
		Name: "mortal", Version: "1",
		Configure: sdk.Configure(func(_ context.Context, c mortalConfig, _ plugins.Folders) (plugins.Location, error) {
			m.mortalConfig = c
			return plugins.Location{Kind: "folder", ID: c.Root, Label: c.Root}, nil
		}),
		Resources: []sdk.Resource{sdk.Managed[mortalThing]("mortal_thing", m, sdk.Options{Doc: "A thing."})},
	}
}

type mortalConfig struct {
	Root string `nxc:"root,required" doc:"Folder."`
	Flaw string `nxc:"flaw,required" doc:"What is done in the wrong order."`
}

type mortalThing struct {
	Content string `nxc:"content,required" doc:"Content."`
	ID      string `nxc:"id,computed" doc:"Id."`
}

// mortal keeps a thing as a file, and whose it is as another one.
type mortal struct{ mortalConfig }

func (m *mortal) file(id string) string { return filepath.Join(m.Root, id) }

// inOrder does two steps with a while between them, or the second one first.
func (m *mortal) inOrder(flaw string, first, second func() error) error {
	if m.Flaw == flaw {
		first, second = second, first
	}
	if err := first(); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	return second()
}

func (m *mortal) write(want *mortalThing) error {
	return os.WriteFile(m.file(want.ID), []byte(want.Content), 0o600)
}

func (m *mortal) mark(op sdk.Operation) error {
	text, err := json.Marshal([]string{op.UUID, op.Address})
	if err != nil {
		return err
	}
	return os.Symlink(string(text), m.file(op.Attempt)+".mark")
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (m *mortal) Create(_ context.Context, op sdk.Operation, want *mortalThing) error {
	want.ID = op.Attempt
	return m.inOrder("create marks last", func() error { return m.mark(op) }, func() error { return m.write(want) })
}

func (m *mortal) Read(_ context.Context, _ sdk.Operation, have *mortalThing) (bool, error) {
	_, err := os.Readlink(m.file(have.ID) + ".mark")
	if err != nil {
		return false, nil
	}
	content, err := os.ReadFile(m.file(have.ID))
	have.Content = string(content)
	return err == nil, nil
}

func (m *mortal) Update(_ context.Context, op sdk.Operation, have mortalThing, want *mortalThing) error {
	want.ID = have.ID
	if m.Flaw != "update makes anew" {
		time.Sleep(200 * time.Millisecond)
		return m.write(want)
	}
	if err := m.Delete(context.Background(), op, &have); err != nil {
		return err
	}
	return m.Create(context.Background(), op, want)
}

func (m *mortal) Delete(_ context.Context, _ sdk.Operation, have *mortalThing) error {
	return m.inOrder("delete unmarks",
		func() error { return remove(m.file(have.ID)) }, func() error { return remove(m.file(have.ID) + ".mark") })
}

func (m *mortal) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[mortalThing], error) {
	marks, _ := filepath.Glob(m.file("*.mark"))
	var found []sdk.Found[mortalThing]
	for _, path := range marks {
		var said [2]string
		if text, err := os.Readlink(path); err != nil || json.Unmarshal([]byte(text), &said) != nil || said[0] != op.UUID {
			continue
		}
		thing := mortalThing{ID: strings.TrimSuffix(filepath.Base(path), ".mark")}
		complete, _ := m.Read(context.Background(), op, &thing)
		found = append(found, sdk.Found[mortalThing]{Address: said[1], Attempt: thing.ID, Complete: complete, Object: thing})
	}
	return found, nil
}
