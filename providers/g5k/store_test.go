package g5k

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
	"github.com/nixos-compose/nxc/providers/g5k/simulator"
)

// storePaths adds two small paths to the Nix store: a folder and a file.
func storePaths(t *testing.T) (folder, file string) {
	t.Helper()
	if _, err := exec.LookPath("nix-store"); err != nil {
		t.Skip("needs nix-store")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"tool/bin/run": "#!/bin/sh\n", "tool/share/" + strings.Repeat("long", 30): "one", "note": "two"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("bin/run", filepath.Join(dir, "tool", "link")); err != nil {
		t.Fatal(err)
	}
	add := func(name string) string {
		out, err := exec.Command("nix-store", "--add", filepath.Join(dir, name)).Output()
		if err != nil {
			t.Fatalf("nix-store --add: %v", err)
		}
		return strings.TrimSpace(string(out))
	}
	return add("tool"), add("note")
}

// closureOf writes a list of store paths.
func closureOf(t *testing.T, paths ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "store-paths")
	if err := os.WriteFile(file, []byte(strings.Join(paths, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// newStores is a handler of stores with a home at grenoble.
func newStores(t *testing.T) (s stores, home string) {
	t.Helper()
	key, public := newKey(t)
	sim := newSimulator(t, simulator.Options{Keys: []ssh.PublicKey{public}})
	gateway := sim.Gateway()
	tb := &testbed{
		config:  Config{User: "jdoe", SSHKey: key, KnownHosts: sim.KnownHosts(), Gateway: &gateway},
		getenv:  func(string) string { return "" },
		folders: plugins.Folders{State: t.TempDir()}, client: newClient(t, sim), pace: api.Pace{},
	}
	t.Cleanup(func() { tb.network().Close() })
	return stores{tb}, sim.Home("grenoble")
}

func storeOperation(uuid, attempt string) sdk.Operation {
	return sdk.Operation{Operation: plugins.Operation{UUID: strings.Repeat(uuid, 32), Address: "g5k_store.here", Attempt: attempt}}
}

// TestStoreIsShared: each path is there once, whoever uses it; what the last
// one used goes with it; and what nodes may still run stays for one change.
func TestStoreIsShared(t *testing.T) {
	t.Parallel()
	first, second := storePaths(t)
	s, home := newStores(t)
	there := func(want ...string) {
		t.Helper()
		var got []string
		entries, _ := os.ReadDir(filepath.Join(home, ".nxc", "nix", "store"))
		for _, e := range entries {
			got = append(got, e.Name())
		}
		for i := range want {
			want[i] = filepath.Base(want[i])
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("the store holds %v, not %v", got, want)
		}
	}
	ours, theirs := storeOperation("a", "1"), storeOperation("b", "1")
	mine := Store{Site: "grenoble", Closure: closureOf(t, first, second)}
	if err := s.Create(t.Context(), ours, &mine); err != nil {
		t.Fatal(err)
	}
	if want := "nfs.grenoble.grid5000.fr:/export/home/jdoe/.nxc/nix/store"; mine.NFS != want || mine.Paths != 2 {
		t.Errorf("it is %s with %d paths, not %s with 2", mine.NFS, mine.Paths, want)
	}
	there(first, second)
	copied := filepath.Join(home, ".nxc", "nix", "store", filepath.Base(first))
	if target, err := os.Readlink(filepath.Join(copied, "link")); err != nil || target != "bin/run" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if info, err := os.Stat(filepath.Join(copied, "bin", "run")); err != nil || info.Mode().Perm() != 0o555 {
		t.Errorf("the program is %v, %v", info, err)
	}
	// What is there is not copied again: its folder stays what it is.
	before, err := os.Stat(copied)
	if err != nil {
		t.Fatal(err)
	}
	other := Store{Site: "grenoble", Closure: closureOf(t, first)}
	if err := s.Create(t.Context(), theirs, &other); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(copied); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was copied again: %v", err)
	}
	if err := s.Delete(t.Context(), theirs, &other); err != nil {
		t.Fatal(err)
	}
	there(first, second)

	// A change keeps what was there before, and the next one does not.
	for i, paths := range [][]string{{second}, {second}} {
		want := Store{Site: "grenoble", Closure: closureOf(t, paths...)}
		if i == 1 {
			want.Closure = closureOf(t, second, storeNote(t, "three"))
		}
		if err := s.Update(t.Context(), ours, mine, &want); err != nil {
			t.Fatal(err)
		}
		mine = want
		if i == 0 {
			there(first, second)
		}
	}
	if exists, err := s.Read(t.Context(), ours, &mine); err != nil || !exists {
		t.Errorf("it is gone: %v", err)
	}
	if _, err := os.Stat(copied); err == nil {
		t.Error("what was used two changes ago is still there")
	}
	if found, err := s.Find(t.Context(), ours); err != nil || len(found) != 1 || found[0].Object.Marker != mine.Marker || !found[0].Complete {
		t.Errorf("found %+v, %v", found, err)
	}
	if err := s.Delete(t.Context(), ours, &mine); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(home, ".nxc")); err == nil {
		t.Errorf("something is left: %v", filesBelow(filepath.Join(home, ".nxc")))
	}
}

// storeNote adds a file to the Nix store.
func storeNote(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "note-"+text)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("nix-store", "--add", file).Output()
	if err != nil {
		t.Fatalf("nix-store --add: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// TestStoreRefuses: a list that is none, and folders that no command should
// hold, are refused before anything is copied.
func TestStoreRefuses(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "foreign": "/etc/passwd\n", "no name": "/nix/store/../../etc\n", "a shell's": "/nix/store/00000000000000000000000000000000-a;rm\n"} {
		file := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if names, err := (&testbed{}).readClosure(file); err == nil {
			t.Errorf("%s: it is taken for %v", name, names)
		}
	}
	for folder, good := range map[string]bool{"": true, ".nxc/nix": true, "a": true, "/a": false, "../a": false, "a/../b": false, "a b": false, "a;b": false, ".": false, "a/": false} {
		if d := checkStoreFolder("folder", folder); (len(d) == 0) != good {
			t.Errorf("%q: %v", folder, d)
		}
	}
}
