package command

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nixos-compose/nxc/nix"
)

func lockCommand(env *Env) *command {
	var file, name string
	var asJSON bool
	return &command{
		synopsis: "Pin nixpkgs for a project without a flake",
		usage:    "[flags] [REFERENCE]",
		help: `
Looks up what a reference is now and pins it in nixpkgs.lock, which has the
format of flake.lock. A composition uses it with

  nixpkgs = "./nixpkgs.lock"

Without a reference, everything in the file is looked up again, and moves to
what it is now. A project with a flake uses nix flake update instead.

Examples:
  nxc lock github:NixOS/nixpkgs/nixos-25.11
  nxc lock                                      move to the newest
  nxc lock -name unstable github:NixOS/nixpkgs  then "./nixpkgs.lock#unstable"`,
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&file, "file", "nixpkgs.lock", "the `FILE` to write")
			fs.StringVar(&name, "name", "nixpkgs", "the `NAME` of what is pinned")
			fs.BoolVar(&asJSON, "json", false, "print JSON for programs")
		},
		run: func(ctx context.Context, args []string) int {
			reference := ""
			switch len(args) {
			case 0:
			case 1:
				reference = args[0]
			default:
				fmt.Fprintln(env.Stderr, "nxc lock: name one reference")
				return exitError
			}
			n, err := nix.New(nix.Options{CacheDir: xdg(env, "XDG_CACHE_HOME", ".cache"), Logger: logger(env)})
			if err != nil {
				return printError(env, "lock", fmt.Errorf("nix is not here: %w", err))
			}
			pins, err := n.Lock(ctx, file, name, reference, func(e nix.Event) {
				if e.Kind == nix.EventDownloading && e.Done == 0 && env.Terminal {
					fmt.Fprintf(env.Stderr, "Fetching %s …\n", e.Name)
				}
			})
			if err != nil {
				return printError(env, "lock", err)
			}
			if asJSON {
				return printPins(env, pins)
			}
			for _, p := range pins {
				fmt.Fprintln(env.Stdout, describePin(p))
			}
			if reference != "" {
				hint := "./" + filepath.ToSlash(filepath.Clean(file))
				if filepath.IsAbs(file) {
					hint = file
				}
				if name != "nixpkgs" {
					hint += "#" + name
				}
				fmt.Fprintf(env.Stdout, "A composition uses it with: nixpkgs = %q\n", hint)
			}
			return exitOK
		},
	}
}

// describePin says in a line what became of a pin.
func describePin(p nix.Pin) string {
	date := ""
	if p.LastModified != 0 {
		date = " of " + time.Unix(p.LastModified, 0).UTC().Format(time.DateOnly)
	}
	switch {
	case !p.Moved():
		return fmt.Sprintf("%s stays at %s%s (%s)", p.Name, p, date, p.Reference)
	case p.WasHash == "":
		return fmt.Sprintf("%s is pinned at %s%s (%s)", p.Name, p, date, p.Reference)
	}
	was := nix.Pin{Revision: p.WasRevision, Hash: p.WasHash}
	return fmt.Sprintf("%s moves from %s to %s%s (%s)", p.Name, was, p, date, p.Reference)
}

func printPins(env *Env, pins []nix.Pin) int {
	type pinJSON struct {
		Name        string `json:"name"`
		Reference   string `json:"reference"`
		Revision    string `json:"revision,omitempty"`
		Hash        string `json:"hash"`
		WasRevision string `json:"was_revision,omitempty"`
		WasHash     string `json:"was_hash,omitempty"`
	}
	list := make([]pinJSON, 0, len(pins))
	for _, p := range pins {
		list = append(list, pinJSON{p.Name, p.Reference, p.Revision, p.Hash, p.WasRevision, p.WasHash})
	}
	return printJSON(env, struct {
		FormatVersion string    `json:"format_version"`
		Pins          []pinJSON `json:"pins"`
	}{"1.0", list})
}
