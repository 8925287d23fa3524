package nix

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	cacheFormat  = 1  // part of every key; a new number forgets everything
	cacheEntries = 64 // how many evaluations are remembered
)

// cacheEntry is an evaluation that nxc remembers.
type cacheEntry struct {
	Format       int             `json:"format"`
	Key          string          `json:"key"` // guards against a misplaced file
	Result       json.RawMessage `json:"result"`
	Warnings     []string        `json:"warnings,omitempty"`
	Dependencies []dependency    `json:"dependencies"`
}

// cacheKey is everything that decides an evaluation and is known without
// reading the user's files.
type cacheKey struct {
	Format     int
	NixVersion string
	Settings   settings
	Library    string // hash of our half
	Tracer     string
	Standin    string // index of the embedded nixpkgs
	Nixpkgs    Nixpkgs
	Flavour    string // hash of the flavour's sources
	Document   document
	Folders    []string // what may be read
	Build      bool     // import from derivation is allowed
	StoreRoot  string   `json:",omitempty"`
}

func (k cacheKey) hash() (string, error) {
	text, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("evaluation cache: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

func (n *Nix) entryPath(key string) string {
	return filepath.Join(n.cacheDir, "evaluations", key+".json")
}

// derivationRoots is the folder whose links keep an evaluation's derivations.
func (n *Nix) derivationRoots(key string) string {
	return filepath.Join(n.cacheDir, "derivations", key)
}

// lookup returns a remembered evaluation that still holds. Whatever is
// unreadable, incomplete or in doubt is a miss.
func (n *Nix) lookup(key string, local bool) *Evaluation {
	text, err := os.ReadFile(n.entryPath(key))
	if err != nil {
		return nil
	}
	var entry cacheEntry
	if err := json.Unmarshal(text, &entry); err != nil || entry.Format != cacheFormat || entry.Key != key {
		n.logger.Debug("evaluation cache: unusable entry", "key", key, "error", err)
		return nil
	}
	for _, d := range entry.Dependencies {
		if !d.holds() {
			n.logger.Debug("evaluation cache: a dependency changed", "kind", string(d.Kind), "path", d.Path)
			return nil
		}
	}
	e, err := parseResult(entry.Result, local)
	if err != nil {
		return nil
	}
	for _, o := range e.Outputs() {
		if !n.exists(o.Drv) && !n.exists(o.Path) {
			n.logger.Debug("evaluation cache: a derivation is gone", "drv", o.Drv)
			return nil
		}
	}
	e.Warnings = entry.Warnings
	e.Cached = true
	now := time.Now()
	_ = os.Chtimes(n.entryPath(key), now, now) // it is used, so it is forgotten last
	return e
}

// exists reports whether a store path is there, without asking Nix.
func (n *Nix) exists(path string) bool {
	if path == "" {
		return false
	}
	_, err := os.Lstat(n.physical(path))
	return err == nil
}

// remember writes an evaluation into the cache. It is an optimisation: what
// goes wrong is logged, not returned.
func (n *Nix) remember(entry cacheEntry) {
	entry.Format = cacheFormat
	text, err := json.Marshal(entry)
	if err == nil {
		err = writeFile(n.entryPath(entry.Key), text)
	}
	if err != nil {
		n.logger.Warn("evaluation cache: not written", "error", err)
		return
	}
	n.forgetOldest()
}

// forgetOldest removes the evaluations that were not used for longest, with
// the links that keep their derivations.
func (n *Nix) forgetOldest() {
	folder := filepath.Join(n.cacheDir, "evaluations")
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) <= cacheEntries {
		return
	}
	type used struct {
		key string
		at  time.Time
	}
	var all []used
	for _, entry := range entries {
		key, isEntry := strings.CutSuffix(entry.Name(), ".json")
		if info, err := entry.Info(); isEntry && err == nil {
			all = append(all, used{key, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b used) int { return cmp.Or(b.at.Compare(a.at), strings.Compare(a.key, b.key)) })
	for _, old := range all[min(cacheEntries, len(all)):] {
		_ = os.Remove(n.entryPath(old.key))
		_ = os.RemoveAll(n.derivationRoots(old.key))
	}
}

// writeFile replaces a file of the cache, so that readers see the old text or
// the new one.
func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	scratch, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(scratch.Name())
	_, err = scratch.Write(text)
	if closeErr := scratch.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(scratch.Name(), path)
	}
	return err
}
