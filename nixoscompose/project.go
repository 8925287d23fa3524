// Package nixoscompose reads a project of NixOSCompose, the tool that nxc
// succeeds, and writes the configuration that says the same.
//
// It reads nxc.json, setup.toml, role distribution files, and whether there is a
// flake. What a flake composes is evaluated by Nix at every plan, and needs no
// conversion.
package nixoscompose

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Project is what the files of a project say.
type Project struct {
	Dir string

	// Folder is where its files are, seen from the folder that Read was given:
	// "." or one below, as `nxc init` of NixOSCompose leaves it.
	Folder string

	Composition string // its file, relative to Dir; "" when only the flake knows
	Flavour     string // the default one, under NixOSCompose's name; "" for none

	Flake  bool // there is a flake.nix
	Locked bool // there is a flake.lock

	Setup *Setup // nil without a setup.toml

	// Roles is how nodes are distributed, and RolesFile the file that says so.
	Roles     map[string]Role
	RolesFile string

	// Candidates are further files that look like role distributions.
	Candidates []string
}

// Setup is what nxc must know of a setup.toml that Nix does not tell.
type Setup struct {
	File        string // relative to the project
	Variants    []string
	Selected    string
	NixFlags    string // of the setup, or of the first variant that has some
	Flavour     string
	Composition string
}

// NotAProjectError says that a folder holds nothing of NixOSCompose.
type NotAProjectError struct {
	Dir   string
	Below []string // folders in it that hold one
}

func (e *NotAProjectError) Error() string {
	message := fmt.Sprintf("%s holds no project of NixOSCompose: there is neither nxc.json nor flake.nix nor composition.nix", e.Dir)
	if len(e.Below) > 0 {
		message += "; name one of the folders that do: " + strings.Join(e.Below, ", ")
	}
	return message
}

// Read reads the project in a folder, or below one from which NixOSCompose's
// commands are run. roles names its role distribution file, relative to either;
// with "", a single file that looks like one is taken.
func Read(from, roles string) (*Project, error) {
	p := &Project{Folder: projectFolder(from)}
	dir := filepath.Join(from, p.Folder)
	p.Dir = dir
	found, err := p.readProjectFile()
	if err != nil {
		return nil, err
	}
	p.Flake = exists(dir, "flake.nix")
	p.Locked = exists(dir, "flake.lock")
	if p.Composition == "" && exists(dir, "composition.nix") {
		p.Composition = "composition.nix"
	}
	if !found && !p.Flake && p.Composition == "" {
		return nil, &NotAProjectError{dir, projectsBelow(dir)}
	}
	if err := p.readSetup(); err != nil {
		return nil, err
	}
	if p.Composition != "" && !exists(dir, p.Composition) {
		if !p.Flake {
			return nil, fmt.Errorf("nxc.json names the composition %s, which is not there", p.Composition)
		}
		p.Composition = ""
	}
	if roles != "" && !exists(dir, roles) {
		return p, p.readRoles(from, roles)
	}
	return p, p.readRoles(dir, roles)
}

// projectFolder says where the files of a project are: beside its nxc.json,
// which may be a link to the one in a folder below, or in the folder nxc.
func projectFolder(from string) string {
	if target, err := os.Readlink(filepath.Join(from, "nxc.json")); err == nil && filepath.IsLocal(target) {
		if exists(from, target) {
			return filepath.Dir(target)
		}
		return "."
	}
	if !exists(from, "nxc.json") && exists(from, "nxc/nxc.json") {
		return "nxc"
	}
	return "."
}

// projectsBelow lists the folders in a folder that hold a project.
func projectsBelow(dir string) []string {
	found, err := filepath.Glob(filepath.Join(dir, "*", "nxc.json"))
	if err != nil {
		return nil
	}
	for i, path := range found {
		found[i] = filepath.Base(filepath.Dir(path))
	}
	return found
}

// readProjectFile reads nxc.json, and reports whether there is one.
func (p *Project) readProjectFile() (bool, error) {
	text, err := os.ReadFile(filepath.Join(p.Dir, "nxc.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var content struct {
		Composition string `json:"composition"`
		Flavour     string `json:"default_flavour"`
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return false, fmt.Errorf("nxc.json: %w", err)
	}
	p.Composition, p.Flavour = content.Composition, content.Flavour
	return true, nil
}

// readSetup reads setup.toml, if there is one.
func (p *Project) readSetup() error {
	const file = "setup.toml"
	text, err := os.ReadFile(filepath.Join(p.Dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var content struct {
		Project struct {
			Selected string `toml:"selected"`
		} `toml:"project"`
		Options struct {
			NixFlags    string `toml:"nix-flags"`
			Flavour     string `toml:"flavour"`
			Pair        string `toml:"composition-flavour"`
			Composition string `toml:"composition-file"`
		} `toml:"options"`
	}
	var all map[string]any
	for _, into := range []any{&content, &all} {
		if err := toml.Unmarshal(text, into); err != nil {
			var wrong *toml.DecodeError
			if errors.As(err, &wrong) {
				line, _ := wrong.Position()
				return fmt.Errorf("%s line %d: %w", file, line, err)
			}
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, own := range []string{"project", "options", "params", "override-params", "overrides", "build"} {
		delete(all, own)
	}
	p.Setup = &Setup{
		File: file, Variants: slices.Sorted(maps.Keys(all)), Selected: content.Project.Selected,
		NixFlags: content.Options.NixFlags, Flavour: content.Options.Flavour, Composition: content.Options.Composition,
	}
	for _, name := range p.Setup.Variants {
		if variant, ok := all[name].(map[string]any); ok && p.Setup.NixFlags == "" {
			options, _ := variant["options"].(map[string]any)
			p.Setup.NixFlags, _ = options["nix-flags"].(string)
		}
	}
	if _, flavour, isPair := strings.Cut(content.Options.Pair, "::"); isPair && p.Setup.Flavour == "" {
		p.Setup.Flavour = flavour
	}
	if p.Setup.Flavour != "" {
		p.Flavour = p.Setup.Flavour
	}
	if p.Setup.Composition != "" {
		p.Composition = p.Setup.Composition
	}
	return nil
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}
