package nix

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// Pin is one source in a lock file, and what it was before.
type Pin struct {
	Name         string // such as "nixpkgs"
	Reference    string // what was asked for, such as github:NixOS/nixpkgs/nixos-25.11
	Revision     string // "" for a source without revisions
	Hash         string // of its content
	WasRevision  string // "" for a new pin
	WasHash      string
	LastModified int64 // seconds since 1970, 0 if unknown
}

// Moved reports whether the pin is new or another one than before.
func (p Pin) Moved() bool { return p.Hash != p.WasHash || p.Revision != p.WasRevision }

// Lock pins a source under a name in a lock file, which has the format of
// flake.lock and need not exist before. The reference is a flake's, such as
// github:NixOS/nixpkgs/nixos-25.11; with "", every source of the file is looked
// up again.
func (n *Nix) Lock(ctx context.Context, path, name, reference string, progress func(Event)) ([]Pin, error) {
	file, err := readPins(path)
	if err != nil {
		return nil, err
	}
	wanted := map[string]string{name: reference}
	if reference == "" {
		if wanted, err = file.references(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	var pins []Pin
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		found, err := n.lookUp(ctx, wanted[name], progress)
		if err != nil {
			return nil, err
		}
		pins = append(pins, file.pin(name, wanted[name], found))
	}
	if !slices.ContainsFunc(pins, Pin.Moved) {
		return pins, nil
	}
	text, err := file.encode()
	if err != nil {
		return nil, err
	}
	return pins, atomicfile.Write(path, text, 0o644)
}

// metadata is what Nix says of a flake.
type metadata struct {
	Locked   map[string]any `json:"locked"`
	Original map[string]any `json:"original"`
}

// lookUp asks Nix what a reference is now. The source is fetched into the store.
func (n *Nix) lookUp(ctx context.Context, reference string, progress emitter) (metadata, error) {
	command, err := findCommand("nix", filepath.Dir(n.instantiate), n.environ)
	if err != nil {
		return metadata{}, err
	}
	var tracker fetchTracker
	onLog := func(e logEntry) { tracker.observe(e, progress) }
	var found metadata
	out, err := n.metadata(ctx, command, reference, onLog)
	if err != nil && noFlake.MatchString(err.Error()) {
		out, err = n.plainMetadata(ctx, command, reference, onLog)
	}
	if err != nil {
		return metadata{}, fmt.Errorf("%s cannot be pinned: %w", reference, err)
	}
	if err := json.Unmarshal(out, &found); err != nil {
		return metadata{}, fmt.Errorf("%s cannot be pinned: what Nix says of it is not understood: %w", reference, err)
	}
	if found.Locked["narHash"] == nil {
		return metadata{}, fmt.Errorf("%s cannot be pinned: Nix gives it no hash", reference)
	}
	delete(found.Locked, "__final") // of newer versions, for their own use
	return found, nil
}

func (n *Nix) metadata(ctx context.Context, path, reference string, onLog func(logEntry)) ([]byte, error) {
	return n.output(ctx, command{
		path: path,
		args: []string{
			"--extra-experimental-features", "nix-command flakes",
			"flake", "metadata", "--json", "--refresh", "--no-write-lock-file", reference,
		},
		onLog: onLog,
	})
}

// noFlake is what versions of Nix say of a source that holds no flake.
var noFlake = regexp.MustCompile(`/flake\.nix'?( does not exist|: No such file)|does not contain a '/?flake\.nix' file`)

// plainMetadata is the same for a source that is no flake, as nixpkgs was none
// before 20.03: it is locked as an input of a flake that says so.
func (n *Nix) plainMetadata(ctx context.Context, path, reference string, onLog func(logEntry)) ([]byte, error) {
	folder, err := os.MkdirTemp("", "nxc-lock-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if plain, isPath := strings.CutPrefix(reference, "path:"); isPath {
		absolute, err := filepath.Abs(plain)
		if err != nil {
			return nil, err
		}
		reference = "path:" + absolute
	}
	// An expression of Nix escapes as JSON does, and begins to compute at "${".
	url, err := json.Marshal(reference)
	if err != nil {
		return nil, err
	}
	flake := fmt.Sprintf("{ inputs.it = { url = %s; flake = false; }; outputs = _: { }; }", strings.ReplaceAll(string(url), "${", `\${`))
	if err := os.WriteFile(filepath.Join(folder, "flake.nix"), []byte(flake), 0o644); err != nil {
		return nil, err
	}
	if _, err := n.output(ctx, command{
		path:  path,
		args:  []string{"--extra-experimental-features", "nix-command flakes", "flake", "lock", "path:" + folder},
		onLog: onLog,
	}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(folder, "flake.lock"))
	if err != nil {
		return nil, err
	}
	var lock struct{ Nodes map[string]json.RawMessage }
	err = json.Unmarshal(text, &lock)
	return lock.Nodes["it"], err
}

// pinFile is a lock file that holds sources and nothing that depends on others.
type pinFile struct {
	Nodes   map[string]pinNode `json:"nodes"`
	Root    string             `json:"root"`
	Version int                `json:"version"`
}

type pinNode struct {
	Flake    *bool             `json:"flake,omitempty"`
	Inputs   map[string]string `json:"inputs,omitempty"`
	Locked   map[string]any    `json:"locked,omitempty"`
	Original map[string]any    `json:"original,omitempty"`
}

// readPins reads a file that Lock wrote, or begins one.
func readPins(path string) (*pinFile, error) {
	f := &pinFile{Nodes: map[string]pinNode{"root": {Inputs: map[string]string{}}}, Root: "root", Version: 7}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "flake.nix")); err == nil && filepath.Base(path) == "flake.lock" {
		return nil, fmt.Errorf("%s belongs to the flake beside it: update it with `nix flake update'", path)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(f); err != nil {
		return nil, fmt.Errorf("%s is no lock file that nxc wrote: %w", path, err)
	}
	if f.Version != 7 || f.Root != "root" {
		return nil, fmt.Errorf("%s is no lock file that nxc wrote", path)
	}
	if f.Nodes["root"].Inputs == nil {
		f.Nodes["root"] = pinNode{Inputs: map[string]string{}}
	}
	return f, nil
}

// references says what was asked for, by name.
func (f *pinFile) references() (map[string]string, error) {
	out := map[string]string{}
	for name, node := range f.Nodes["root"].Inputs {
		original, err := json.Marshal(f.Nodes[node].Original)
		if err != nil {
			return nil, err
		}
		var source lockedSource
		if err := json.Unmarshal(original, &source); err != nil {
			return nil, err
		}
		if out[name], err = source.reference(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("nothing is pinned there yet: name what to pin, such as `nxc lock github:NixOS/nixpkgs/nixos-25.11'")
	}
	return out, nil
}

// pin puts what was found in place.
func (f *pinFile) pin(name, reference string, found metadata) Pin {
	was := f.Nodes[f.Nodes["root"].Inputs[name]].Locked
	f.Nodes["root"].Inputs[name] = name
	isFlake := false // its own inputs are not locked here
	f.Nodes[name] = pinNode{Flake: &isFlake, Locked: found.Locked, Original: found.Original}
	text := func(set map[string]any, key string) string { s, _ := set[key].(string); return s }
	p := Pin{
		Name: name, Reference: reference,
		Revision: text(found.Locked, "rev"), Hash: text(found.Locked, "narHash"),
		WasRevision: text(was, "rev"), WasHash: text(was, "narHash"),
	}
	if seconds, ok := found.Locked["lastModified"].(float64); ok {
		p.LastModified = int64(seconds)
		f.Nodes[name].Locked["lastModified"] = json.Number(fmt.Sprint(p.LastModified))
	}
	return p
}

func (f *pinFile) encode() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(f)
	return out.Bytes(), err
}

// String is the pin for a person: its revision, or else its hash.
func (p Pin) String() string {
	return cmp.Or(p.Revision[:min(len(p.Revision), 12)], strings.TrimPrefix(p.Hash, "sha256-"))
}
