package nix

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLinkedPlaces(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "disk/home/me/project"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"home":         "disk/home",                        // relative
		"absolute":     filepath.Join(dir, "disk/home/me"), // absolute
		"chain":        "home",                             // a link to a link
		"disk/dangles": "nowhere",
		"loop":         "loop",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string][]string{
		"disk/home/me":    nil,
		"missing":         nil,
		"home/me/project": {"disk/home/me/project"},
		"absolute":        {"disk/home/me"},
		"chain/me":        {"home/me", "disk/home/me"},
		"disk/dangles":    {"disk/nowhere"},
	} {
		var got []string
		for _, place := range linkedPlaces(filepath.Join(dir, path)) {
			got = append(got, strings.TrimPrefix(place, dir+"/"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s leads through %q, want %q", path, got, want)
		}
	}
	if got := len(linkedPlaces(filepath.Join(dir, "loop"))); got != maxLinks {
		t.Errorf("a loop leads through %d places, want %d", got, maxLinks)
	}
}

// Newer versions of Nix refuse to follow a link that leads to where nothing has
// been named on the search path before, so every place on the way is.
func TestSearchPathNamesWhereLinksLead(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	actual := filepath.Join(dir, "disk/project")
	if err := os.MkdirAll(actual, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("disk", filepath.Join(dir, "home")); err != nil {
		t.Fatal(err)
	}
	linked := filepath.Join(dir, "home/project")
	e := evaluator{
		Nix:     &Nix{},
		library: linked, tracer: linked, flavour: linked,
		request: Request{Nixpkgs: Nixpkgs{Path: linked}},
		folders: []string{linked},
	}
	args := e.searchPath(linked)
	for _, name := range []string{"nxc-library", "nxc-trace", "nxc-request", "nxc-flavour", "nixpkgs", "nxc-folder-0"} {
		at := slices.Index(args, name+"="+linked)
		if before := slices.Index(args, name+"-link-0="+actual); at < 0 || before < 0 || before > at {
			t.Errorf("%s is not named after where it leads: %q", name, args)
		}
	}
}
