package nix

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Request says what to evaluate.
type Request struct {
	// Composition is the absolute path of the composition's file; Attribute
	// names one composition inside a file that holds several.
	Composition string
	Attribute   string

	// Flake is the absolute path of the folder of a NixOSCompose project, whose
	// flake.nix says what belongs to the composition. With it, Composition may
	// be empty: then the flake's own is evaluated.
	Flake string

	// Outputs says that the flake's own outputs are used as they are, also where
	// it would tell what it composes. A flake that does not tell has only these.
	// Label is what the configuration calls the flavour: an output
	// "NAME::LABEL" is preferred to "NAME::FLAVOUR".
	Outputs bool
	Label   string

	// Setup is the absolute path of a setup.toml of NixOSCompose, "" for the
	// one that the flake names, if any. Variant chooses one of its variants.
	Setup, Variant string

	Nixpkgs Nixpkgs

	// NixpkgsConfig is a JSON object: how the collection of packages is
	// configured, such as {"allowUnfree": true}; nil for nothing.
	NixpkgsConfig json.RawMessage

	System  string // Nix's name of the target; the default is HostSystem
	Flavour Flavour
	Params  json.RawMessage // a JSON object that the composition receives

	// Nodes is a JSON object that says how many nodes a role has, a number or a
	// list of names, where the composition does not decide. It is nil for a
	// flavour whose Nix half is not told the nodes: then the evaluation does not
	// depend on them.
	Nodes json.RawMessage

	// Packages is a JSON object that says how packages are built otherwise, in
	// the form of the build section of a setup.toml; nil for none.
	Packages json.RawMessage

	// Modules and Overlays are absolute paths that are added to every role.
	Modules, Overlays []string

	// Allow lists further absolute paths that the evaluation may read. It may
	// always read the composition's folder and the git work tree around it,
	// and the folders of Modules and Overlays.
	Allow []string

	// ImportFromDerivation permits that Nix builds something in order to
	// evaluate. Otherwise an evaluation that needs it fails.
	ImportFromDerivation bool
}

// Flavour is the Nix half of a flavour.
type Flavour struct {
	Name      string
	Sources   map[string]string // texts by file name; the entry is "default.nix"
	Arguments json.RawMessage   // a JSON object that its Nix half receives; nil for none
}

// prepare fills in defaults and finds mistakes that need no Nix.
func (r Request) prepare() (Request, error) {
	r.System = cmp.Or(r.System, HostSystem())
	if path, err := filepath.EvalSymlinks(r.Nixpkgs.Path); err == nil && r.Nixpkgs.Path != "" {
		r.Nixpkgs.Path = path // Nix refuses links to what it was not shown
	}
	if len(r.Params) == 0 {
		r.Params = json.RawMessage("{}")
	}
	if !json.Valid(r.Params) {
		return r, errors.New("the composition's params are not JSON")
	}
	if len(r.Packages) == 0 {
		r.Packages = json.RawMessage("{}")
	}
	if !json.Valid(r.Packages) {
		return r, errors.New("the composition's packages are not JSON")
	}
	if len(r.NixpkgsConfig) == 0 {
		r.NixpkgsConfig = json.RawMessage("{}")
	}
	if !json.Valid(r.NixpkgsConfig) {
		return r, errors.New("the configuration of nixpkgs is not JSON")
	}
	if _, has := r.Flavour.Sources["default.nix"]; !has && len(r.Flavour.Sources) > 0 {
		return r, fmt.Errorf("flavour %s: its sources lack default.nix", r.Flavour.Name)
	}
	if r.Flake != "" {
		if _, err := flakeLock(r.Flake); err != nil {
			return r, err
		}
	}
	for _, list := range []struct {
		what  string
		paths []string
	}{{"composition", r.sources()}, {"module", r.Modules}, {"overlay", r.Overlays}, {"setup", []string{r.Setup}}} {
		for _, path := range list.paths {
			if path == "" && list.what == "setup" {
				continue
			}
			if !filepath.IsAbs(path) {
				return r, fmt.Errorf("%s %q is not an absolute path", list.what, path)
			}
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				return r, fmt.Errorf("%s %s does not exist", list.what, path)
			} else if err != nil {
				return r, fmt.Errorf("%s: %w", list.what, err)
			}
		}
	}
	return r, nil
}

// sources lists where the composition comes from, the most telling one first.
func (r Request) sources() []string {
	switch {
	case r.Flake == "":
		return []string{r.Composition}
	case r.Composition == "":
		return []string{filepath.Join(r.Flake, "flake.nix")}
	}
	return []string{r.Composition, filepath.Join(r.Flake, "flake.nix")}
}

// home is the folder that the composition lies in.
func (r Request) home() string { return folderOf(r.sources()[0]) }

// userFolders lists what belongs to the user: the paths that the evaluation
// may read, and whose files an error speaks about. Symbolic links are listed
// under both names, because Nix checks both.
func (r Request) userFolders() []string {
	var paths []string
	for _, path := range slices.Concat(r.sources(), r.Modules, r.Overlays, r.setupFiles()) {
		paths = append(paths, folderOf(path))
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			paths = append(paths, folderOf(resolved)) // the file itself may be a link
		}
	}
	if root := workTree(r.home()); root != "" {
		paths = append(paths, root)
	}
	paths = append(paths, r.flakeInputs()...)
	paths = append(paths, r.Allow...)
	for _, path := range slices.Clone(paths) {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			paths = append(paths, resolved)
		}
	}
	for i, path := range paths {
		paths[i] = filepath.Clean(path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// folderOf returns path if it is a folder, and otherwise the folder it is in.
func folderOf(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

// workTree returns the git work tree that a folder is in, or "".
func workTree(folder string) string {
	for dir := folder; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
	}
	return ""
}

// isWithin reports whether path is folder or lies below it.
func isWithin(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// document is the request as the library reads it.
type document struct {
	Composition string          `json:"composition"`
	Attribute   string          `json:"attribute"`
	Flake       string          `json:"flake"`
	Outputs     bool            `json:"outputs,omitempty"`
	Label       string          `json:"label,omitempty"`
	Setup       string          `json:"setup"`
	Variant     string          `json:"variant"`
	Nixpkgs     nixpkgsDocument `json:"nixpkgs"`
	System      string          `json:"system"`
	Flavour     flavourDocument `json:"flavour"`
	Params      json.RawMessage `json:"params"`
	Packages    json.RawMessage `json:"packages"`
	Modules     []string        `json:"modules"`
	Overlays    []string        `json:"overlays"`
	Nodes       json.RawMessage `json:"nodes,omitempty"`
}

type nixpkgsDocument struct {
	Embedded bool            `json:"embedded"`
	Standin  string          `json:"standin,omitempty"`
	Emulator json.RawMessage `json:"emulator,omitempty"`
	Path     string          `json:"path,omitempty"`
	Locked   bool            `json:"locked,omitempty"`
	Config   json.RawMessage `json:"config,omitempty"`
}

type flavourDocument struct {
	Name      string          `json:"name"`
	Source    string          `json:"source,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// document returns the request for the library. standin is the index of the
// embedded nixpkgs, emulator says where its QEMU is, and flavour is the folder
// of the flavour's sources.
func (r Request) document(standin string, emulator json.RawMessage, flavour string) document {
	return document{
		Composition: r.Composition,
		Attribute:   r.Attribute,
		Flake:       r.Flake,
		Outputs:     r.Outputs,
		Label:       r.Label,
		Setup:       r.Setup,
		Variant:     r.Variant,
		Nixpkgs:     nixpkgsDocument{Embedded: r.Nixpkgs.Embedded, Standin: standin, Emulator: emulator, Path: r.Nixpkgs.Path, Locked: r.Nixpkgs.Locked, Config: r.NixpkgsConfig},
		System:      r.System,
		Flavour:     flavourDocument{Name: r.Flavour.Name, Source: flavour, Arguments: r.Flavour.Arguments},
		Params:      r.Params,
		Packages:    r.Packages,
		Modules:     append([]string{}, r.Modules...),
		Overlays:    append([]string{}, r.Overlays...),
		Nodes:       r.Nodes,
	}
}
