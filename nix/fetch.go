package nix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// FetchError says that a pinned nixpkgs is neither in the Nix store nor could
// be fetched.
type FetchError struct {
	Nixpkgs Nixpkgs
	Reason  string
}

func (e *FetchError) Error() string {
	from := strings.TrimPrefix(strings.TrimPrefix(e.Nixpkgs.URL, "git+"), "path:")
	if strings.HasPrefix(e.Nixpkgs.URL, "path:") {
		return fmt.Sprintf("%s is not what the lock file pins: %s\nPin what it is now with `nxc lock` or `nix flake update`, or bring the folder back to what it was.",
			from, e.Reason)
	}
	return fmt.Sprintf("%s is not in the Nix store and could not be fetched from %s: %s\nConnect this machine to the network once, or use nixpkgs = \"embedded\".",
		e.Nixpkgs, from, e.Reason)
}

// fetchExpression fetches what a lock file pins, and verifies its hash. These
// fetchers exist in every Nix since 2.8, and look into the store before they go
// to the network. A commit names the content of its repository; a hash beside it
// is verified all the same.
const fetchExpression = `{ url, hash, rev }:
let
  git = builtins.match "git\\+(.*)" url;
  local = builtins.match "path:(.*)" url;
  verified = path: if hash == "" then path else builtins.path { name = "source"; inherit path; sha256 = hash; };
in
"${
  if git != null then
    verified (builtins.fetchGit { url = builtins.head git; inherit rev; allRefs = true; }).outPath
  else if local != null then
    verified (/. + builtins.head local)
  else
    builtins.fetchTarball { inherit url; sha256 = hash; }
}"`

// fetch returns p with a Path in the Nix store. What was fetched stays rooted
// in the cache, and is found there without starting a process.
func (n *Nix) fetch(ctx context.Context, p Nixpkgs, progress emitter) (Nixpkgs, error) {
	if p.Embedded || p.Path != "" || p.URL == "" {
		return p, nil
	}
	sum := sha256.Sum256([]byte(p.URL + "\n" + p.Hash + "\n" + p.Revision + n.where.Root))
	root := filepath.Join(n.cacheDir, "nixpkgs", hex.EncodeToString(sum[:16]))
	if path, err := os.Readlink(root); err == nil && n.exists(path) {
		p.Path = n.physical(path) // where it is read
		return p, nil
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return p, fmt.Errorf("cache: %w", err)
	}
	var tracker fetchTracker
	out, err := n.output(ctx, command{
		path: n.instantiate,
		args: []string{
			"--eval", "--strict", "--json", "--read-write-mode", "-v",
			"--argstr", "url", p.URL, "--argstr", "hash", p.Hash, "--argstr", "rev", p.Revision,
			"-E", fetchExpression,
		},
		settings: []setting{{"restrict-eval", "false"}, {"pure-eval", "false"}},
		onLog:    func(e logEntry) { tracker.observe(e, progress) },
	})
	if ctx.Err() != nil {
		return p, err
	}
	if err != nil {
		return p, &FetchError{Nixpkgs: p, Reason: strings.TrimPrefix(err.Error(), "nix-instantiate: ")}
	}
	if err := json.Unmarshal(out, &p.Path); err != nil {
		return p, fmt.Errorf("fetching %s: %w", p, err)
	}
	if _, err := n.output(ctx, command{
		path: n.store,
		args: []string{"--realise", p.Path, "--add-root", root, "--indirect"},
	}); err != nil && !errors.Is(err, context.Canceled) {
		n.logger.Warn("nixpkgs is not protected from the garbage collector", "path", p.Path, "error", err)
	}
	p.Path = n.physical(p.Path)
	return p, nil
}

// fetchTracker turns the log of a download into events.
type fetchTracker struct{ names map[uint64]string }

func (t *fetchTracker) observe(e logEntry, progress emitter) {
	switch {
	case e.Action == "start" && e.Type == activityFileTransfer:
		if t.names == nil {
			t.names = map[uint64]string{}
		}
		t.names[e.ID] = e.str(0)
		progress.emit(Event{Kind: EventDownloading, Name: e.str(0)})
	case e.Action == "result" && e.Type == resultProgress && t.names[e.ID] != "":
		progress.emit(Event{Kind: EventDownloading, Name: t.names[e.ID], Done: int(e.num(0)), Expected: int(e.num(1))})
	case e.Action == "msg" && e.Level == levelWarn:
		progress.emit(Event{Kind: EventWarning, Text: strings.TrimPrefix(e.Message, "warning: ")})
	}
}
