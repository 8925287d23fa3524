package nix

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Nixpkgs is the package collection that a composition is evaluated with.
type Nixpkgs struct {
	Embedded bool   // the stand-in that nxc brings
	Path     string // a folder that holds nixpkgs
	Revision string // the commit, if it is pinned
	Hash     string // the content's hash (SRI, of the NAR), if it is pinned

	// URL says where a pinned nixpkgs that has no Path is fetched from: a
	// tarball, with the prefix "git+" a repository, or with "path:" a folder.
	// Evaluate fetches it into the Nix store.
	URL string

	// Locked says that it is the one that the lock file of a Request's Flake
	// names for the flake itself, so that the flake may be given its own.
	Locked bool

	// Warning says why this choice is a poor one, for Evaluation.Warnings.
	Warning string
}

// String names the choice for messages.
func (p Nixpkgs) String() string {
	switch {
	case p.Embedded:
		return "embedded nixpkgs"
	case p.Revision != "":
		return "nixpkgs " + p.Revision[:min(len(p.Revision), 7)]
	}
	return "nixpkgs at " + cmp.Or(p.Path, p.URL)
}

// ResolveNixpkgs understands what a configuration says about nixpkgs:
//
//	embedded              the stand-in that nxc brings
//	./flake.lock          the input "nixpkgs" that a lock file pins
//	./flake.lock#stable   another input of the same file
//	./npins/sources.json  what npins or niv pin as "nixpkgs", or as #NAME
//	./nixpkgs             a folder that holds nixpkgs
//	<nixpkgs>             whatever NIX_PATH says, with a warning
//
// Relative paths start at dir. Nothing is fetched.
func ResolveNixpkgs(spec, dir string) (Nixpkgs, error) {
	switch {
	case spec == "":
		return Nixpkgs{}, errors.New(`nixpkgs is empty: give a flake.lock, a path, or "embedded"`)
	case spec == "embedded":
		return Nixpkgs{Embedded: true}, nil
	case strings.HasPrefix(spec, "<") && strings.HasSuffix(spec, ">"):
		return nixpkgsFromSearchPath(spec, os.Environ())
	case strings.Contains(spec, "://"), isFlakeReference(spec):
		return Nixpkgs{}, fmt.Errorf("nixpkgs = %q is not pinned: run `nxc lock %s' and say nixpkgs = \"./nixpkgs.lock\"", spec, spec)
	}
	path, input, _ := strings.Cut(spec, "#")
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	path, err := filepath.Abs(path) // Nix wants whole paths, and dir may be "."
	if err != nil {
		return Nixpkgs{}, fmt.Errorf("nixpkgs = %q: %w", spec, err)
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Nixpkgs{}, missingPin(path)
	}
	if err != nil {
		return Nixpkgs{}, fmt.Errorf("nixpkgs = %q: %w", spec, err)
	}
	if !info.IsDir() {
		return nixpkgsFromFile(path, cmp.Or(input, "nixpkgs"))
	}
	return nixpkgsFromFolder(path)
}

// missingPin says how to get a pin that is not there.
func missingPin(path string) error {
	folder, name := filepath.Split(path)
	_, err := os.Stat(filepath.Join(folder, "flake.nix"))
	switch {
	case name == "flake.lock" && err == nil:
		return fmt.Errorf("%s is not there: run `nix flake lock' in %s, or say nixpkgs = \"embedded\" in the composition to begin with", path, filepath.Clean(folder))
	case filepath.Ext(name) == ".lock":
		return fmt.Errorf("%s is not there: `nxc lock -file %s github:NixOS/nixpkgs/nixos-25.11' writes one, for this or another reference", path, name)
	}
	return fmt.Errorf("%s is not there: name a folder that holds nixpkgs, or a lock file, which `nxc lock' writes", path)
}

// isFlakeReference reports whether a text is what one types for a flake.
func isFlakeReference(spec string) bool {
	for _, scheme := range []string{"github:", "gitlab:", "sourcehut:", "flake:"} {
		if strings.HasPrefix(spec, scheme) {
			return true
		}
	}
	return false
}

// nixpkgsFromFolder takes a folder that holds nixpkgs. One in the Nix store
// cannot change, so it counts as pinned.
func nixpkgsFromFolder(path string) (Nixpkgs, error) {
	if _, err := os.Stat(filepath.Join(path, "nixos")); err != nil {
		if _, err := os.Stat(filepath.Join(path, "flake.lock")); err == nil {
			return Nixpkgs{}, fmt.Errorf("%s holds no nixpkgs, but a lock file: say %s", path, filepath.Join(path, "flake.lock"))
		}
		return Nixpkgs{}, fmt.Errorf("%s holds no nixpkgs: it has no folder nixos", path)
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Nixpkgs{}, fmt.Errorf("nixpkgs: %w", err)
	}
	return Nixpkgs{Path: resolved}, nil
}

// nixpkgsFromSearchPath resolves a name in angle brackets as Nix does.
func nixpkgsFromSearchPath(spec string, environ []string) (Nixpkgs, error) {
	name := strings.Trim(spec, "<>")
	for _, entry := range searchPath(environ) {
		prefix, path, hasPrefix := strings.Cut(entry, "=")
		if !hasPrefix {
			prefix, path = "", entry
		}
		rest, matches := strings.CutPrefix(name, prefix)
		if !matches || (prefix != "" && rest != "" && rest[0] != '/') {
			continue
		}
		if strings.Contains(path, ":") {
			return Nixpkgs{}, fmt.Errorf("%s is %s in NIX_PATH, which is not pinned: lock it in a flake.lock and name that file", spec, path)
		}
		folder := filepath.Join(path, rest)
		if _, err := os.Stat(folder); err != nil {
			continue
		}
		p, err := nixpkgsFromFolder(folder)
		p.Warning = fmt.Sprintf("%s is %s on this machine; on another one it is something else. Pin it with a flake.lock.", spec, p.Path)
		return p, err
	}
	return Nixpkgs{}, fmt.Errorf("%s was not found in NIX_PATH: name a flake.lock or a path instead", spec)
}

// searchPath returns the entries of NIX_PATH, or Nix's default ones.
func searchPath(environ []string) []string {
	if path := getenv(environ, "NIX_PATH"); path != "" {
		return splitSearchPath(path)
	}
	channels := "/nix/var/nix/profiles/per-user/root/channels"
	return []string{
		filepath.Join(getenv(environ, "HOME"), ".nix-defexpr/channels"),
		"nixpkgs=" + channels + "/nixpkgs",
		channels,
	}
}

// splitSearchPath splits NIX_PATH at the colons that are not part of a URL.
func splitSearchPath(path string) []string {
	var entries []string
	for part := range strings.SplitSeq(path, ":") {
		if last := len(entries) - 1; last >= 0 && (strings.HasPrefix(part, "//") || isURLScheme(entries[last])) {
			entries[last] += ":" + part
			continue
		}
		entries = append(entries, part)
	}
	return entries
}

// isURLScheme reports whether an entry so far is only "flake" or "channel".
func isURLScheme(entry string) bool {
	scheme := entry[strings.LastIndexByte(entry, '=')+1:]
	return scheme == "flake" || scheme == "channel"
}
