// Package layers_test keeps the shape of the house: imports run downward, and
// every package says once what it is for. It holds no code of nxc's.
package layers_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/nixos-compose/nxc"

// pkg is a package of this module.
type pkg struct {
	Path    string // below the module, "" is main
	Dir     string
	Files   []string
	own     []string // imports from this module, below it
	foreign []string // imports from other modules
}

func (p pkg) name() string {
	if p.Path == "" {
		return "main"
	}
	return p.Path
}

// list returns the module's packages, sorted by path. It asks `go list` with
// what the packages import, tests left out: those may reach across layers.
func list(t *testing.T) []pkg {
	t.Helper()
	watch(t)
	cmd := exec.Command("go", "list", "-deps", "-e", "-json=ImportPath,Dir,Standard,GoFiles,Imports,Module", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var packages []pkg
	standard := map[string]bool{"C": true}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var entry struct {
			ImportPath, Dir string
			Standard        bool
			GoFiles         []string
			Imports         []string
			Module          *struct{ Main bool }
		}
		if err := dec.Decode(&entry); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("output of go list: %v", err)
		}
		standard[entry.ImportPath] = standard[entry.ImportPath] || entry.Standard
		if entry.Module == nil || !entry.Module.Main {
			continue
		}
		// Dependencies come first, so what is standard is known by now.
		p := pkg{Path: below(entry.ImportPath), Dir: entry.Dir, Files: entry.GoFiles}
		for _, i := range entry.Imports {
			switch {
			case i == module || strings.HasPrefix(i, module+"/"):
				p.own = append(p.own, below(i))
			case !standard[i]:
				p.foreign = append(p.foreign, i)
			}
		}
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b pkg) int { return strings.Compare(a.Path, b.Path) })
	return packages
}

// watch reads the module's folders, because `go test` repeats a test whose
// folders changed and does not know what `go list` reads.
func watch(t *testing.T) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a passing file of somebody else's
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || path == filepath.Join(root, "bin")):
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func below(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}
