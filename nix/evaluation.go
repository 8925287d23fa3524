package nix

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Evaluation is what a composition evaluates to. Nothing of it is built yet.
type Evaluation struct {
	Nixpkgs   Release
	Roles     map[string]Role
	Artifacts map[string]Artifact

	// Distribution is how the composition itself distributes its roles: a
	// number or a list of names for each.
	Distribution map[string]json.RawMessage

	// Params are what the composition had as setup.params: the request's, and
	// those of its setup.
	Params json.RawMessage

	Extra         json.RawMessage // what the flavour's module says beyond artifacts
	TestScript    string
	HasTestScript bool
	TestScriptAt  *Position // nil: not known
	Warnings      []string  // what the evaluation warned about, in its order
	Cached        bool      // nothing changed, and no Nix was started
}

// Position is a line of a Nix file.
type Position struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// Release says which nixpkgs was evaluated.
type Release struct {
	Label    string `json:"label"` // such as "nixpkgs 24.11" or "embedded"
	Version  string `json:"version"`
	Revision string `json:"revision"`
}

// Role is one role of a composition: its system, and what is in it.
type Role struct {
	System   Output   `json:"system"`
	Manifest Manifest `json:"manifest"`

	// Opaque says that the system is a flake's own, which was made elsewhere:
	// what is in it is not known before it is built, and Manifest is empty.
	Opaque bool `json:"opaque,omitempty"`
}

// Output is something to build: a derivation, and the store path that will
// hold the result.
type Output struct {
	Drv  string `json:"drv"`
	Path string `json:"path"`

	// Local says that no binary cache has this output, so that none is asked.
	Local bool `json:"local,omitempty"`
}

// Artifact is something that a flavour makes of the roles, such as an image.
type Artifact struct {
	Output
	File string `json:"file,omitempty"` // the file inside Path; "" is Path itself

	// Later says that the flavour's provider realises it, when its turn comes:
	// a test is run by building it.
	Later bool `json:"later,omitempty"`
}

// result is what the library's entry.nix yields.
type result struct {
	Nixpkgs      Release                    `json:"nixpkgs"`
	Roles        map[string]Role            `json:"roles"`
	Artifacts    map[string]Artifact        `json:"artifacts"`
	Distribution map[string]json.RawMessage `json:"distribution"`
	Params       json.RawMessage            `json:"params"`
	Extra        json.RawMessage            `json:"extra"`
	TestScript   *string                    `json:"testScript"`
	TestScriptAt *Position                  `json:"testScriptAt"`
	Warnings     []string                   `json:"warnings"`
}

// parseResult reads what entry.nix yields.
func parseResult(text []byte, local bool) (*Evaluation, error) {
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("the evaluation's result is not what nxc's library yields: %w", err)
	}
	e := &Evaluation{
		Nixpkgs:      r.Nixpkgs,
		Roles:        r.Roles,
		Artifacts:    r.Artifacts,
		Distribution: r.Distribution,
		Params:       r.Params,
		Extra:        r.Extra,
		Warnings:     r.Warnings,
	}
	if r.TestScript != nil {
		e.TestScript, e.HasTestScript, e.TestScriptAt = *r.TestScript, true, r.TestScriptAt
	}
	for name, role := range e.Roles {
		role.System.Local = local
		e.Roles[name] = role
	}
	for name, artifact := range e.Artifacts {
		artifact.Local = local
		e.Artifacts[name] = artifact
	}
	return e, nil
}

// Outputs lists everything that the evaluation yields: the roles' systems,
// then the artifacts, each in the order of their names and without repetition.
func (e *Evaluation) Outputs() []Output {
	var all []Output
	add := func(o Output) {
		if (o.Drv != "" || o.Path != "") && !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Roles)) {
		add(e.Roles[name].System)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Artifacts)) {
		add(e.Artifacts[name].Output)
	}
	return all
}
