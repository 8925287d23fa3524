package nix

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// lockFile is a flake.lock, versions 5 to 7.
type lockFile struct {
	Version int                 `json:"version"`
	Root    string              `json:"root"`
	Nodes   map[string]lockNode `json:"nodes"`
}

type lockNode struct {
	Inputs map[string]json.RawMessage `json:"inputs"` // a node's name, or a path from the root
	Locked lockedSource               `json:"locked"`
}

// lockedSource is where a lock file says that an input comes from.
type lockedSource struct {
	Type    string `json:"type"`
	Owner   string `json:"owner"`
	Repo    string `json:"repo"`
	Host    string `json:"host"`
	URL     string `json:"url"`
	Path    string `json:"path"`
	Dir     string `json:"dir"`
	Ref     string `json:"ref"` // of what was asked for
	ID      string `json:"id"`  // in the registry of flakes
	Rev     string `json:"rev"`
	NarHash string `json:"narHash"`
}

// nixpkgsFromLock returns what a flake.lock pins as one of its inputs.
func nixpkgsFromLock(path string, text []byte, input string) (Nixpkgs, error) {
	lock, err := parseLock(path, text)
	if err != nil {
		return Nixpkgs{}, err
	}
	if lock.Version < 5 || lock.Version > 7 {
		return Nixpkgs{}, fmt.Errorf("%s has version %d; nxc understands flake.lock versions 5 to 7", path, lock.Version)
	}
	node, err := lock.input(input)
	if err != nil {
		return Nixpkgs{}, fmt.Errorf("%s: %w", path, err)
	}
	p, err := lock.Nodes[node].Locked.nixpkgs(filepath.Dir(path))
	if err != nil {
		return Nixpkgs{}, fmt.Errorf("%s: input %s: %w", path, input, err)
	}
	return p, nil
}

// parseLock reads a lock file's text.
func parseLock(path string, text []byte) (lockFile, error) {
	var lock lockFile
	err := json.Unmarshal(text, &lock)
	var wrong *json.SyntaxError
	switch {
	case errors.As(err, &wrong) && bytes.Contains(text, []byte("\n<<<<<<< ")):
		return lock, fmt.Errorf("%s line %d: it has the marks of a merge that was not finished: resolve it, or run `nix flake lock' without the file", path, lineAt(text, wrong.Offset))
	case errors.As(err, &wrong):
		return lock, fmt.Errorf("%s line %d: it is not a flake.lock: %w", path, lineAt(text, wrong.Offset), err)
	case err != nil:
		return lock, fmt.Errorf("%s is not a flake.lock: %w", path, err)
	}
	return lock, nil
}

// lineAt is the number of the line that holds a byte.
func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n"))
}

// input returns the name of the node that an input of the root stands for.
func (l lockFile) input(name string) (string, error) {
	inputs := l.Nodes[cmp.Or(l.Root, "root")].Inputs
	if _, known := inputs[name]; known {
		return l.follow([]string{name}, 0)
	}
	if len(inputs) == 0 {
		return "", fmt.Errorf("it has no input %s, nor any other", name)
	}
	return "", fmt.Errorf("it has no input %s; its inputs are %s (choose one with #NAME behind the file)",
		name, strings.Join(slices.Sorted(maps.Keys(inputs)), ", "))
}

// maxFollows ends lock files whose inputs follow each other in a circle.
const maxFollows = 32

// follow walks a path of inputs from the root to a node.
func (l lockFile) follow(path []string, depth int) (string, error) {
	node := cmp.Or(l.Root, "root")
	if depth > maxFollows {
		return "", errors.New("its inputs follow each other in a circle")
	}
	for _, name := range path {
		reference, known := l.Nodes[node].Inputs[name]
		if !known {
			return "", fmt.Errorf("node %s has no input %s", node, name)
		}
		var next string
		if json.Unmarshal(reference, &next) != nil {
			var follows []string
			if err := json.Unmarshal(reference, &follows); err != nil {
				return "", fmt.Errorf("input %s: %w", name, err)
			}
			var err error
			if next, err = l.follow(follows, depth+1); err != nil {
				return "", err
			}
		}
		if _, known := l.Nodes[next]; !known {
			return "", fmt.Errorf("input %s is node %s, which does not exist", name, next)
		}
		node = next
	}
	return node, nil
}

// nixpkgs turns a locked source into what Evaluate can fetch. dir is the lock
// file's folder.
func (s lockedSource) nixpkgs(dir string) (Nixpkgs, error) {
	p := Nixpkgs{Revision: s.Rev, Hash: s.NarHash}
	host := func(standard string) string { return cmp.Or(s.Host, standard) }
	switch s.Type {
	case "github":
		p.URL = fmt.Sprintf("https://%s/%s/%s/archive/%s.tar.gz", host("github.com"), s.Owner, s.Repo, s.Rev)
	case "gitlab":
		p.URL = fmt.Sprintf("https://%s/api/v4/projects/%s/repository/archive.tar.gz?sha=%s",
			host("gitlab.com"), url.PathEscape(s.Owner+"/"+s.Repo), s.Rev)
	case "sourcehut":
		p.URL = fmt.Sprintf("https://%s/%s/%s/archive/%s.tar.gz", host("git.sr.ht"), s.Owner, s.Repo, s.Rev)
	case "tarball":
		p.URL = s.URL
	case "git":
		p.URL = "git+" + s.URL
	case "path":
		p.Path = s.Path
		if !filepath.IsAbs(p.Path) {
			p.Path = filepath.Join(dir, p.Path)
		}
		found, err := nixpkgsFromFolder(p.Path)
		if err != nil || s.NarHash == "" {
			return found, err
		}
		// A copy in the Nix store is what was locked, or there is none.
		return Nixpkgs{Hash: s.NarHash, URL: "path:" + found.Path}, nil
	case "":
		return p, errors.New("it is not locked")
	default:
		return p, fmt.Errorf("nxc cannot fetch a source of type %q; use github, gitlab, sourcehut, tarball, git or path", s.Type)
	}
	switch {
	case s.Dir != "":
		return p, fmt.Errorf("nixpkgs in the subfolder %s of a source is not supported", s.Dir)
	case s.Type == "git" && s.Rev == "":
		return p, errors.New("the lock file names no revision")
	case s.Type != "git" && s.NarHash == "":
		return p, errors.New("the lock file names no narHash")
	}
	return p, nil
}
