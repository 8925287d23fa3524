package nix

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// nixpkgsFromFile returns what a file pins under a name: a flake.lock, or the
// sources.json of npins or niv.
func nixpkgsFromFile(path, name string) (Nixpkgs, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Nixpkgs{}, fmt.Errorf("nixpkgs: %w", err)
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(text, &top); err != nil {
		return Nixpkgs{}, fmt.Errorf("%s is not a flake.lock, nor the sources.json of npins or niv: %w", path, err)
	}
	_, isLock := top["nodes"]
	_, isNpins := top["pins"]
	switch {
	case isLock:
		return nixpkgsFromLock(path, text, name)
	case isNpins:
		return nixpkgsFromNpins(path, top["pins"], name)
	case top["version"] != nil: // a flake.lock without inputs
		return nixpkgsFromLock(path, text, name)
	}
	return nixpkgsFromNiv(path, top, name)
}

// npinsPin is one pin of npins, in versions 3 to 7 of its file.
type npinsPin struct {
	Type       string `json:"type"`
	URL        string `json:"url"` // of a tarball; null when the repository is cloned
	Revision   string `json:"revision"`
	Hash       string `json:"hash"`
	Repository struct {
		URL string `json:"url"`
	} `json:"repository"`
}

func nixpkgsFromNpins(path string, raw json.RawMessage, name string) (Nixpkgs, error) {
	var pins map[string]npinsPin
	if err := json.Unmarshal(raw, &pins); err != nil {
		return Nixpkgs{}, fmt.Errorf("%s: %w", path, err)
	}
	pin, known := pins[name]
	if !known {
		return Nixpkgs{}, noSource(path, name, slices.Sorted(maps.Keys(pins)))
	}
	p := Nixpkgs{URL: pin.URL, Revision: pin.Revision, Hash: pin.Hash}
	if p.URL == "" && pin.Repository.URL != "" {
		p.URL = "git+" + pin.Repository.URL
	}
	return p, p.checkPin(path, name)
}

// nivSource is one source of niv.
type nivSource struct {
	URL      string `json:"url"`
	Revision string `json:"rev"`
	SHA256   string `json:"sha256"`
}

func nixpkgsFromNiv(path string, top map[string]json.RawMessage, name string) (Nixpkgs, error) {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(top)) {
		var s nivSource
		if json.Unmarshal(top[key], &s) == nil && s.URL != "" {
			names = append(names, key)
		}
	}
	if len(names) == 0 {
		return Nixpkgs{}, fmt.Errorf("%s is not a flake.lock, nor the sources.json of npins or niv", path)
	}
	if !slices.Contains(names, name) {
		return Nixpkgs{}, noSource(path, name, names)
	}
	var s nivSource
	if err := json.Unmarshal(top[name], &s); err != nil {
		return Nixpkgs{}, fmt.Errorf("%s: source %s: %w", path, name, err)
	}
	p := Nixpkgs{URL: s.URL, Revision: s.Revision, Hash: s.SHA256}
	return p, p.checkPin(path, name)
}

func noSource(path, name string, names []string) error {
	return fmt.Errorf("%s has no source %s; it has %s (choose one with #NAME behind the file)", path, name, strings.Join(names, ", "))
}

// checkPin reports a source that is not pinned, or in no way that is fetched here.
func (p Nixpkgs) checkPin(path, name string) error {
	isGit := strings.HasPrefix(p.URL, "git+")
	switch {
	case p.URL == "":
		return fmt.Errorf("%s: source %s has no URL", path, name)
	case isGit && p.Revision == "":
		return fmt.Errorf("%s: source %s names no revision", path, name)
	case !isGit && p.Hash == "":
		return fmt.Errorf("%s: source %s names no hash", path, name)
	}
	return nil
}

// reference writes a flake's source as one types it.
func (s lockedSource) reference() (string, error) {
	at := ""
	if ref := cmp.Or(s.Ref, s.Rev); ref != "" {
		at = "/" + ref
	}
	host := ""
	if s.Host != "" {
		host = "?host=" + s.Host
	}
	switch s.Type {
	case "github", "gitlab", "sourcehut":
		return s.Type + ":" + s.Owner + "/" + s.Repo + at + host, nil
	case "indirect":
		return "flake:" + s.ID + at, nil
	case "git":
		if s.Ref != "" {
			return "git+" + s.URL + "?ref=" + s.Ref, nil
		}
		return "git+" + s.URL, nil
	case "tarball":
		return s.URL, nil
	case "path":
		return "path:" + s.Path, nil
	}
	return "", errors.New("it is of type " + s.Type + ", which nxc cannot update")
}
