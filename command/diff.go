package command

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/state"
)

func diffCommand(env *Env) *command {
	var f stateFlags
	var why string
	return &command{
		synopsis: "Show what differs between two states",
		usage:    "[flags] [OLD [NEW]]",
		help: `
Compares two states: which deployments and nodes came or went, which nixpkgs
they were built with, and what differs inside the systems of their roles, by
package, unit and size. OLD and NEW are revisions of git, or state files. OLD
is HEAD when it is left out, and NEW the state as it is now.

Systems are compared by what was recorded when they were deployed from here,
and by their closures where both are in the Nix store. What is known in
neither way is said, and not guessed.

Examples:
  nxc diff
  nxc diff paper-submission HEAD
  nxc diff ../other/nxc.state.json
  nxc diff -why openssl               by what the new systems need openssl`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.StringVar(&why, "why", "", "also show by what the new systems of both depend on the package `NAME`")
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) > 2 {
				fmt.Fprintln(env.Stderr, "nxc diff: name two states at most")
				return exitError
			}
			store, err := openStore(ctx, env, f.file, "diff")
			if err != nil {
				return printError(env, "diff", err)
			}
			now, err := store.Load(ctx)
			if err != nil {
				return printError(env, "diff", err)
			}
			states := []*state.State{nil, now.State}
			for i, name := range append(args, "HEAD")[:max(len(args), 1)] {
				if states[i], err = stateAt(ctx, name, store.Path()); err != nil {
					return printError(env, "diff", err)
				}
			}
			o := deploy.CompareOptions{Folder: store.Folder()}
			options := nix.Options{CacheDir: xdg(env, "XDG_CACHE_HOME", ".cache"), Logger: logger(env)}
			if cfg, diags := config.Load("."); !diags.HasErrors() { // else without the project's own store
				options.Settings = deploy.NixSettings(cfg)
			}
			if n, err := nix.New(options); err == nil {
				o.Nix = n
			}
			c := deploy.Compare(ctx, states[0], states[1], o)
			if f.json {
				return printJSON(env, comparisonJSONOf(c))
			}
			writeComparison(env, c)
			if why == "" {
				return exitOK
			}
			return explainDependency(ctx, env, o.Nix, states[1], why)
		},
	}
}

// stateAt reads a state from a file, or as it was in a revision of git.
func stateAt(ctx context.Context, name, path string) (*state.State, error) {
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		s, _, err := state.Read(name)
		return s, err
	}
	folder, file := filepath.Dir(path), filepath.Base(path)
	command := exec.CommandContext(ctx, "git", "-C", folder, "show", name+":./"+file)
	var problems strings.Builder
	command.Stderr = &problems
	text, err := command.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%s is no file, and git, which would know it as a revision, is not installed", name)
	case err != nil:
		said := strings.TrimPrefix(strings.TrimSpace(problems.String()), "fatal: ")
		return nil, fmt.Errorf("%s is neither a state file nor a revision of git that has %s: git says %q", name, file, said)
	}
	return state.Decode(name+":"+file, text)
}

func writeComparison(env *Env, c deploy.Comparison) {
	if c.Empty() {
		fmt.Fprintln(env.Stdout, "Nothing differs.")
		return
	}
	line := func(sign, what, text string) {
		fmt.Fprintln(env.Stdout, strings.TrimRight(fmt.Sprintf("  %s %-20s %s", sign, what, text), " "))
	}
	for i, d := range c.Deployments {
		if i > 0 {
			fmt.Fprintln(env.Stdout)
		}
		fmt.Fprintf(env.Stdout, "%s%s\n\n", d.Name, map[nix.ChangeAction]string{nix.Added: "   is new", nix.Removed: "   is gone"}[d.Action])
		if d.OldPin != d.Pin {
			line("~", "nixpkgs", orNone(d.OldPin)+" -> "+orNone(d.Pin))
		}
		for _, p := range d.Params {
			line("~", "param "+p.Name, orNone(p.From)+" -> "+orNone(p.To))
		}
		for _, r := range d.Roles {
			writeSystem(env, r, line)
		}
		for _, name := range d.NodesRemoved {
			line("-", "node "+name, "")
		}
		for _, name := range d.NodesAdded {
			line("+", "node "+name, "")
		}
	}
	for _, part := range []struct {
		sign string
		list []addr.Instance
	}{{"+", c.Added}, {"-", c.Removed}} {
		for _, a := range part.list {
			fmt.Fprintf(env.Stdout, "%s %s\n", part.sign, a)
		}
	}
}

// writeSystem writes what differs inside one role's system.
func writeSystem(env *Env, r deploy.RoleChange, line func(sign, what, text string)) {
	text := r.Diff.String()
	switch {
	case r.Known && r.Diff.Empty():
		text = "rebuilt; packages, units and files keep their versions"
	case !r.Known && r.ClosureKnown:
		text = "differs in what follows"
	case !r.Known:
		text = "what is inside is not known here: it was not deployed from this folder, and is not in the Nix store"
	}
	line("~", "system "+r.Role, text+"   "+view.Sizes(r.Size))
	for _, p := range r.Closure {
		fmt.Fprintf(env.Stdout, "      %s\n", view.SizeChange(p))
	}
}

// explainDependency says by what each role's system depends on a package.
func explainDependency(ctx context.Context, env *Env, n *nix.Nix, s *state.State, name string) int {
	if n == nil {
		return printError(env, "diff", errors.New("-why needs Nix, which is not here"))
	}
	status := exitOK
	var done []string
	for _, d := range s.Deployments() {
		for _, node := range d.Nodes {
			if slices.Contains(done, node.System) {
				continue
			}
			done = append(done, node.System)
			chain, err := n.WhyDepends(ctx, node.System, name)
			switch {
			case errors.Is(err, nix.ErrNotValid):
				fmt.Fprintf(env.Stdout, "\n%s %s: its system is not in the Nix store\n", d.Name, node.Role)
			case err != nil:
				status = printError(env, "diff", err)
			case len(chain) == 0:
				fmt.Fprintf(env.Stdout, "\n%s %s depends on no store path called %s", d.Name, node.Role, name)
				if d.Pin != nil && strings.HasPrefix(d.Pin.Label, "embedded") {
					fmt.Fprint(env.Stdout, "; the programs of the embedded nixpkgs are all in one, its tree")
				}
				fmt.Fprintln(env.Stdout)
			default:
				fmt.Fprintf(env.Stdout, "\n%s %s depends on %s by\n", d.Name, node.Role, name)
				for i, path := range chain {
					fmt.Fprintf(env.Stdout, "  %s%s\n", strings.Repeat("  ", i), path)
				}
			}
		}
	}
	return status
}

func orNone(s string) string {
	if s == "" {
		return "(not recorded)"
	}
	return s
}

// comparisonJSON is the comparison for programs.
type comparisonJSON struct {
	FormatVersion string                 `json:"format_version"`
	Deployments   []deploymentChangeJSON `json:"deployments"`
	Added         []string               `json:"added"`
	Removed       []string               `json:"removed"`
}

type deploymentChangeJSON struct {
	Deployment   string             `json:"deployment"`
	Action       string             `json:"action"`
	OldNixpkgs   string             `json:"old_nixpkgs,omitempty"`
	Nixpkgs      string             `json:"nixpkgs,omitempty"`
	Params       []paramChangeJSON  `json:"params"`
	NodesAdded   []string           `json:"nodes_added"`
	NodesRemoved []string           `json:"nodes_removed"`
	Systems      []systemChangeJSON `json:"systems"`
}

type paramChangeJSON struct {
	Name string          `json:"name"`
	From json.RawMessage `json:"from"` // null where it was not
	To   json.RawMessage `json:"to"`
}

type systemChangeJSON struct {
	Role    string           `json:"role"`
	Old     string           `json:"old"`
	New     string           `json:"new"`
	Changes string           `json:"changes,omitempty"` // as a person reads them; absent when not known
	OldSize *int64           `json:"old_size,omitempty"`
	Size    *int64           `json:"size,omitempty"`
	Closure []sizeChangeJSON `json:"closure,omitempty"`
}

type sizeChangeJSON struct {
	Package string   `json:"package"`
	From    []string `json:"from"`
	To      []string `json:"to"`
	Bytes   int64    `json:"bytes"`
}

func comparisonJSONOf(c deploy.Comparison) comparisonJSON {
	out := comparisonJSON{FormatVersion: "1.0", Deployments: []deploymentChangeJSON{}, Added: addressTexts(c.Added), Removed: addressTexts(c.Removed)}
	for _, d := range c.Deployments {
		j := deploymentChangeJSON{
			Deployment: d.Name.String(), Action: string(d.Action), OldNixpkgs: d.OldPin, Nixpkgs: d.Pin,
			NodesAdded: orEmpty(d.NodesAdded), NodesRemoved: orEmpty(d.NodesRemoved), Systems: []systemChangeJSON{}, Params: []paramChangeJSON{},
		}
		for _, p := range d.Params {
			j.Params = append(j.Params, paramChangeJSON{p.Name, orNull(p.From), orNull(p.To)})
		}
		for _, r := range d.Roles {
			s := systemChangeJSON{Role: r.Role, Old: r.Old, New: r.New, OldSize: known(r.Size.Old), Size: known(r.Size.New)}
			if r.Known {
				s.Changes = r.Diff.String()
			}
			for _, p := range r.Closure {
				s.Closure = append(s.Closure, sizeChangeJSON{p.Name, orEmpty(p.From), orEmpty(p.To), p.Delta})
			}
			j.Systems = append(j.Systems, s)
		}
		out.Deployments = append(out.Deployments, j)
	}
	return out
}

func addressTexts(list []addr.Instance) []string {
	out := []string{}
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

func orEmpty(list []string) []string { return append([]string{}, list...) }

// orNull is a JSON value, null where there is none.
func orNull(value string) json.RawMessage {
	if value == "" {
		return json.RawMessage("null")
	}
	return json.RawMessage(value)
}

// known returns a size that is known.
func known(size int64) *int64 {
	if size < 0 {
		return nil
	}
	return &size
}
