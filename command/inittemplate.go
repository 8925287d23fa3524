package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nixos-compose/nxc/examples"
	"github.com/nixos-compose/nxc/internal/atomicfile"
	"github.com/nixos-compose/nxc/nix"
)

// listExamples prints each example with what it is about.
func listExamples(env *Env) {
	all := examples.All()
	width := 0
	for _, e := range all {
		width = max(width, len(e.Name))
	}
	for _, e := range all {
		fmt.Fprintf(env.Stdout, "%-*s  %s\n", width, e.Name, e.About)
	}
}

// writeExample copies an example's files into a folder, unless one of them is
// there already.
func writeExample(ctx context.Context, env *Env, name, nixpkgs, folder string) ([]string, error) {
	files, err := examples.Files(name)
	if err != nil {
		var names []string
		for _, e := range examples.All() {
			names = append(names, e.Name)
		}
		return nil, fmt.Errorf("there is no example %q%s; there are %s", name, suggest(name, names), strings.Join(names, ", "))
	}
	if present, _ := filepath.Glob(filepath.Join(folder, "*.nxc.hcl")); len(present) > 0 {
		return nil, fmt.Errorf("%s is there already: this folder has a configuration, and needs no init; go on with nxc plan", present[0])
	}
	if files, err = withNixpkgs(ctx, env, files, name, nixpkgs); err != nil {
		return nil, err
	}
	for _, f := range files {
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is there already, and would be overwritten", path)
		}
	}
	var written []string
	for _, f := range files {
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return written, err
		}
		if err := atomicfile.Write(path, f.Content, 0o644); err != nil {
			return written, err
		}
		written = append(written, path)
	}
	return written, nil
}

// reference matches what Nix's flakes call a reference with a scheme, such as
// github:NixOS/nixpkgs or https://example.org/nixpkgs.tar.gz.
var reference = regexp.MustCompile(`^[a-z][a-z0-9+-]*:`)

// withNixpkgs gives an example another nixpkgs. A reference is pinned first: its
// lock file is one more file of the example.
func withNixpkgs(ctx context.Context, env *Env, files []examples.File, name, nixpkgs string) ([]examples.File, error) {
	if nixpkgs == "embedded" {
		return files, nil
	}
	const lock = "nixpkgs.lock"
	chosen := nixpkgs
	if reference.MatchString(nixpkgs) {
		chosen = "./" + lock
	}
	files, found := examples.WithNixpkgs(files, chosen)
	if !found {
		return nil, fmt.Errorf("the example %q has no composition, so no nixpkgs", name)
	}
	if chosen == nixpkgs {
		return files, nil
	}
	content, err := pinned(ctx, env, lock, nixpkgs)
	if err != nil {
		return nil, fmt.Errorf("pin %s: %w", nixpkgs, err)
	}
	return append(files, examples.File{Name: lock, Content: content}), nil
}

// pinned returns a lock file that pins a reference.
func pinned(ctx context.Context, env *Env, name, reference string) ([]byte, error) {
	n, err := nix.New(nix.Options{CacheDir: xdg(env, "XDG_CACHE_HOME", ".cache"), Logger: logger(env)})
	if err != nil {
		return nil, fmt.Errorf("nix is not here: %w", err)
	}
	folder, err := os.MkdirTemp("", "nxc-init-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, name)
	pins, err := n.Lock(ctx, file, "nixpkgs", reference, func(nix.Event) {})
	if err != nil {
		return nil, err
	}
	for _, p := range pins {
		fmt.Fprintln(env.Stdout, describePin(p))
	}
	return os.ReadFile(file)
}
