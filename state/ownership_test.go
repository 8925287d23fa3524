package state

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// owned returns a folder with a state of its own.
func owned(t *testing.T) folder {
	t.Helper()
	f := newFolder(t)
	x := begin(t, f.open(t), docker)
	record(t, x, docker)
	create(t, x, node("server"), "a1")
	must(t, x.End(t.Context()))
	return f
}

func ownershipOf(t *testing.T, s *Store) Ownership {
	t.Helper()
	o, err := s.Ownership(t.Context())
	must(t, err)
	return o
}

// clone copies the state file alone, as git does.
func (f folder) clone(t *testing.T) folder {
	t.Helper()
	c := folder{dir: t.TempDir(), home: f.home}
	data, err := os.ReadFile(filepath.Join(f.dir, "nxc.state.json"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(c.dir, "nxc.state.json"), data, 0o644))
	return c
}

func TestOwnership(t *testing.T) {
	tests := map[string]struct {
		// change returns the folder to look from.
		change func(t *testing.T, f folder) folder
		want   OwnershipKind
	}{
		"as it was": {func(_ *testing.T, f folder) folder { return f }, Own},
		"cleaned": {func(t *testing.T, f folder) folder {
			must(t, os.RemoveAll(filepath.Join(f.dir, ".nxc")))
			return f
		}, TakenBack},
		"moved": {func(t *testing.T, f folder) folder {
			to := filepath.Join(t.TempDir(), "moved")
			must(t, os.Rename(f.dir, to))
			return folder{dir: to, home: f.home}
		}, TakenBack},
		"cloned anew after the first was deleted": {func(t *testing.T, f folder) folder {
			c := f.clone(t)
			must(t, os.RemoveAll(f.dir))
			return c
		}, TakenBack},
		"through a link": {func(t *testing.T, f folder) folder {
			link := filepath.Join(t.TempDir(), "link")
			must(t, os.Symlink(f.dir, link))
			return folder{dir: link, home: f.home}
		}, Own},
		"a second clone": {func(t *testing.T, f folder) folder { return f.clone(t) }, Foreign},
		"a copy with .nxc": {func(t *testing.T, f folder) folder {
			to := t.TempDir()
			must(t, os.CopyFS(to, os.DirFS(f.dir)))
			return folder{dir: to, home: f.home}
		}, Foreign},
		"another user's clone": {func(t *testing.T, f folder) folder {
			c := f.clone(t)
			c.home = t.TempDir()
			return c
		}, Foreign},
		"state home lost": {func(t *testing.T, f folder) folder { return folder{dir: f.dir, home: t.TempDir()} }, Own},
		"both lost": {func(t *testing.T, f folder) folder {
			must(t, os.RemoveAll(filepath.Join(f.dir, ".nxc")))
			return folder{dir: f.dir, home: t.TempDir()}
		}, Foreign},
		"first is on another host, this is a clone": {func(t *testing.T, f folder) folder {
			c := f.clone(t)
			otherHost(t, f)
			must(t, os.RemoveAll(f.dir))
			return c
		}, Foreign},
		"brought over from another host": {func(t *testing.T, f folder) folder {
			to := t.TempDir()
			must(t, os.CopyFS(to, os.DirFS(f.dir)))
			otherHost(t, f)
			must(t, os.RemoveAll(f.dir))
			return folder{dir: to, home: f.home}
		}, TakenBack},
		"another workspace's file": {func(t *testing.T, f folder) folder {
			must(t, os.Rename(filepath.Join(f.dir, "nxc.state.json"), filepath.Join(f.dir, "nxc.lab.state.json")))
			must(t, SelectWorkspace(f.dir, "lab"))
			return f
		}, Foreign},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := test.change(t, owned(t))
			s := f.open(t)
			if got := ownershipOf(t, s); got.Kind != test.want {
				t.Fatalf("got %+v, want %v", got, test.want)
			}
			x, err := s.Begin(t.Context(), BeginOptions{Change: []addr.Deployment{docker}})
			var foreign *ForeignError
			switch {
			case test.want == Foreign:
				if !errors.As(err, &foreign) {
					t.Errorf("got %v from a state that is somebody else's", err)
				}
				return
			case err != nil:
				t.Fatal(err)
			case (x.Notice() != "") != (test.want == TakenBack):
				t.Errorf("got the notice %q", x.Notice())
			}
			must(t, x.End(t.Context()))
			if got := ownershipOf(t, f.open(t)); got.Kind != Own {
				t.Errorf("after an apply, got %+v", got)
			}
		})
	}
}

// otherHost makes the owner's record one of another host.
func otherHost(t *testing.T, f folder) {
	t.Helper()
	s := f.open(t)
	path := filepath.Join(s.Home(load(t, s).State.Lineage), "owner.json")
	data, err := os.ReadFile(path)
	must(t, err)
	var r ownerRecord
	must(t, json.Unmarshal(data, &r))
	r.Host = "elsewhere"
	data, err = json.Marshal(r)
	must(t, err)
	must(t, os.WriteFile(path, data, 0o600))
}

func TestForeignError(t *testing.T) {
	f := owned(t)
	err := ownershipOf(t, f.clone(t).open(t)).Err()
	if err == nil {
		t.Fatal("a clone is its own")
	}
	for _, want := range []string{f.dir, userName(), "nxc workspace new NAME", "nxc adopt"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if ownershipOf(t, f.open(t)).Err() != nil {
		t.Error("the owner is a stranger")
	}
}

func TestAdopt(t *testing.T) {
	f := owned(t)
	c := f.clone(t)
	s := c.open(t)
	uuid := load(t, s).State.Deployment(docker).UUID
	must(t, s.Adopt(t.Context()))
	snap := load(t, c.open(t))
	if snap.Ownership.Kind != Own || snap.State.Deployment(docker).UUID != uuid {
		t.Errorf("got %+v", snap.Ownership)
	}
	x := begin(t, c.open(t), docker)
	must(t, x.End(t.Context()))
	if got := ownershipOf(t, f.open(t)); got.Kind != Foreign || got.Folder != c.dir {
		t.Errorf("who was adopted from still owns: %+v", got)
	}
	must(t, f.open(t).Adopt(t.Context())) // back again
	if got := ownershipOf(t, c.open(t)); got.Kind != Foreign {
		t.Errorf("got %+v", got)
	}
	if err := newFolder(t).open(t).Adopt(t.Context()); err == nil || !strings.Contains(err.Error(), "no state") {
		t.Errorf("got %v", err)
	}
}

func TestAdoptForgetsFingerprints(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), docker)
	record(t, x, docker)
	i := Incarnation{Provider: "docker", Attempt: "a1"}
	value := cty.ObjectVal(map[string]cty.Value{"password": cty.StringVal("hunter2")})
	must(t, i.SetObject(value, Split{Sensitive: []cty.Path{cty.GetAttrPath("password")}, Seal: x.Sealer()}))
	must(t, x.Result(Result{Address: node("a"), Attempt: "a1", Resource: &Resource{Address: node("a"), Incarnation: i}}))
	must(t, x.End(t.Context()))

	restored := func(f folder) cty.Value {
		snap := load(t, f.open(t))
		r := snap.State.Resource(node("a"))
		prior, err := r.Object(value.Type())
		must(t, err)
		other := cty.ObjectVal(map[string]cty.Value{"password": cty.StringVal("other")})
		return r.Restore(prior, other, snap.Sealer()).GetAttr("password")
	}
	if got := restored(f); !got.IsNull() {
		t.Errorf("the owner does not notice another password: %#v", got)
	}
	c := f.clone(t)
	must(t, c.open(t).Adopt(t.Context()))
	if got := restored(c); got.IsNull() {
		t.Error("who adopts cannot tell, and takes a secret for unchanged")
	}
}

func TestTokenFromTheEnvironment(t *testing.T) {
	f := newFolder(t)
	ci := func(f folder) *Store { return f.open(t, func(o *Options) { o.OwnerToken = "ci-secret" }) }
	x := begin(t, ci(f), docker)
	record(t, x, docker)
	must(t, x.End(t.Context()))
	c := f.clone(t)
	c.home = t.TempDir()
	if got := ownershipOf(t, ci(c)); got.Kind != Own {
		t.Errorf("got %+v in another checkout with the token", got)
	}
	if got := ownershipOf(t, c.open(t)); got.Kind != Foreign {
		t.Errorf("got %+v without the token", got)
	}
	if out, err := exec.Command("grep", "-r", "ci-secret", f.dir, f.home).CombinedOutput(); err == nil {
		t.Errorf("the token was written down: %s", out)
	}
}

func TestStateWithoutOwner(t *testing.T) {
	f := owned(t)
	s := f.open(t)
	file, _, err := Read(s.Path())
	must(t, err)
	file.Owner = ""
	must(t, s.write(file))
	if got := ownershipOf(t, f.open(t)); got.Kind != Foreign {
		t.Errorf("got %+v for resources of nobody", got)
	}
}
