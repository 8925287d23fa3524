package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

// stateFlags are the flags of commands that only look at the state.
type stateFlags struct {
	file string
	json bool
}

func (f *stateFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.file, "state", "", "look at this state `FILE` instead of nxc.state.json")
	fs.BoolVar(&f.json, "json", false, "print JSON for programs")
}

// read reads the state of the current folder. It needs no configuration, and
// works in anybody's clone.
func (f *stateFlags) read(ctx context.Context, env *Env, name string) (*state.State, bool) {
	store, err := openStore(ctx, env, f.file, name)
	if err == nil {
		var snapshot *state.Snapshot
		if snapshot, err = store.Load(ctx); err == nil {
			return snapshot.State, true
		}
	}
	printError(env, name, err)
	return nil, false
}

// openStore opens the current folder's state.
func openStore(ctx context.Context, env *Env, file, name string) (*state.Store, error) {
	return state.Open(ctx, state.Options{
		Dir: ".", StatePath: file, Workspace: env.Getenv("NXC_WORKSPACE"), OwnerToken: env.Getenv("NXC_OWNER_TOKEN"), Disk: env.Disk,
		StateHome: xdg(env, "XDG_STATE_HOME", ".local/state"), Command: "nxc " + name,
	})
}

func showCommand(env *Env) *command {
	var f stateFlags
	var verbose bool
	return &command{
		synopsis: "Show what exists",
		usage:    "[-json] [FILE]",
		help: `
Shows the deployments that the state knows, their nodes with role and
address, and the outputs. It reads only the state file.

With a FILE, which "nxc plan -out FILE" saved, it shows that plan.

Examples:
  nxc show
  nxc show lab.plan -v
  nxc show -json | jq '.deployments[].nodes[].address'`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&verbose, "v", false, "of a saved plan: show all attributes that change")
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) == 1 {
				return showPlan(env, args[0], f.json, verbose)
			}
			if status, bad := noArguments(env, "show", args); bad {
				return status
			}
			s, ok := f.read(ctx, env, "show")
			if !ok {
				return exitError
			}
			if f.json {
				return printJSON(env, describeState(s))
			}
			showState(env, s)
			return exitOK
		},
	}
}

func showState(env *Env, s *state.State) {
	if s.IsEmpty() {
		fmt.Fprintln(env.Stdout, "Nothing exists. nxc plan shows what would.")
		return
	}
	first := true
	for _, name := range s.Names() {
		if !first {
			fmt.Fprintln(env.Stdout)
		}
		first = false
		d := s.Deployment(name)
		if name.IsTop() {
			fmt.Fprintln(env.Stdout, "top level")
		} else {
			fmt.Fprintf(env.Stdout, "%s%s\n", name, placeOf(d))
		}
		var width int
		if d != nil {
			for _, n := range d.Nodes {
				width = max(width, len(n.Name))
			}
			for _, n := range d.Nodes {
				fmt.Fprintf(env.Stdout, "  node %-*s  %-15s  role %s%s\n", width, n.Name, n.Address, n.Role, statusOf(s.Resource(n.Resource)))
			}
		}
		for _, r := range s.ResourcesOf(name) {
			if d != nil && slices.ContainsFunc(d.Nodes, func(n state.Node) bool { return n.Resource == r.Address }) {
				continue
			}
			fmt.Fprintf(env.Stdout, "  %s%s\n", displayIn(r.Address), statusOf(r))
		}
		if d == nil {
			continue
		}
		for _, o := range sortedOutputs(d) {
			fmt.Fprintf(env.Stdout, "  output %s = %s\n", o, outputText(d.Outputs[o]))
		}
	}
}

func placeOf(d *state.Deployment) string {
	if d == nil {
		return ""
	}
	var labels []string
	for _, p := range d.Providers {
		if p.Location.Label != "" {
			labels = append(labels, p.Location.Label)
		}
	}
	slices.Sort(labels)
	text := ""
	if len(labels) > 0 {
		text = " on " + strings.Join(slices.Compact(labels), ", ")
	}
	if d.Pin != nil {
		text += "   " + view.Nixpkgs(d.Pin.Label, d.Pin.Revision)
	}
	return text
}

func statusOf(r *state.Resource) string {
	switch {
	case r == nil || !r.Exists():
		return "   (does not exist)"
	case r.Status != state.Ready:
		return "   (" + string(r.Status) + ")"
	}
	return ""
}

// displayIn writes an address without its deployment.
func displayIn(a addr.Instance) string {
	a.Deployment = addr.Deployment{}
	return a.String()
}

func sortedOutputs(d *state.Deployment) []string {
	var names []string
	for name := range d.Outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func outputText(o state.Output) string {
	if o.Sensitive {
		return "(sensitive)"
	}
	v, err := o.Cty()
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return view.Value(v)
}

type showJSON struct {
	FormatVersion string              `json:"format_version"`
	Deployments   []deploymentJSON    `json:"deployments"`
	Open          []map[string]string `json:"open,omitempty"`
}

type deploymentJSON struct {
	Name      string                  `json:"name"`
	UUID      string                  `json:"uuid,omitempty"`
	Flavour   string                  `json:"flavour,omitempty"`
	Nixpkgs   *pinJSON                `json:"nixpkgs,omitempty"`
	Providers map[string]locationJSON `json:"providers,omitempty"`
	Nodes     []nodeJSON              `json:"nodes"`
	Resources []stateResourceJSON     `json:"resources"`
	Outputs   map[string]any          `json:"outputs"`
}

type pinJSON struct {
	Label    string `json:"label,omitempty"`
	Revision string `json:"revision,omitempty"`
	Hash     string `json:"hash,omitempty"`
}

type locationJSON struct {
	Kind  string `json:"kind"`
	ID    string `json:"id"`
	Label string `json:"label,omitempty"`
}

type nodeJSON struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Index    int    `json:"index"`
	Address  string `json:"address,omitempty"`
	System   string `json:"system"`
	Resource string `json:"resource"`
}

type stateResourceJSON struct {
	Address      string          `json:"address"`
	Provider     string          `json:"provider"`
	Status       string          `json:"status,omitempty"`
	Attempt      string          `json:"attempt"`
	Values       json.RawMessage `json:"values"`
	Dependencies []string        `json:"dependencies,omitempty"`
}

func describeState(s *state.State) showJSON {
	out := showJSON{FormatVersion: "1.0", Deployments: []deploymentJSON{}}
	for _, name := range s.Names() {
		d := deploymentJSON{Name: name.String(), Nodes: []nodeJSON{}, Resources: []stateResourceJSON{}, Outputs: map[string]any{}}
		if record := s.Deployment(name); record != nil {
			describeDeployment(&d, record)
		}
		for _, r := range s.ResourcesOf(name) {
			d.Resources = append(d.Resources, describeResource(r))
		}
		out.Deployments = append(out.Deployments, d)
	}
	for _, c := range s.Open {
		out.Open = append(out.Open, map[string]string{"command": c.Command, "user": c.User, "host": c.Host, "journal": c.Journal})
	}
	return out
}

func describeDeployment(d *deploymentJSON, record *state.Deployment) {
	d.UUID, d.Flavour = record.UUID, record.Flavour
	if record.Pin != nil {
		d.Nixpkgs = &pinJSON{record.Pin.Label, record.Pin.Revision, record.Pin.Hash}
	}
	d.Providers = map[string]locationJSON{}
	for name, p := range record.Providers {
		d.Providers[name] = locationJSON{p.Location.Kind, p.Location.ID, p.Location.Label}
	}
	for _, n := range record.Nodes {
		d.Nodes = append(d.Nodes, nodeJSON{n.Name, n.Role, n.Index, n.Address, n.System, n.Resource.String()})
	}
	for name, o := range record.Outputs {
		d.Outputs[name] = outputDocument(o)
	}
}

func outputDocument(o state.Output) any {
	return struct {
		Sensitive bool            `json:"sensitive"`
		Type      json.RawMessage `json:"type"`
		Value     json.RawMessage `json:"value,omitempty"`
	}{o.Sensitive, o.Type, o.Value}
}

func describeResource(r *state.Resource) stateResourceJSON {
	out := stateResourceJSON{
		Address: r.Address.String(), Provider: r.Provider, Status: string(r.Status), Attempt: r.Attempt, Values: r.JSON(),
	}
	for _, a := range r.Dependencies {
		out.Dependencies = append(out.Dependencies, a.String())
	}
	return out
}
