// Package deploy conducts: it loads a configuration, opens its state, starts
// the providers, has compositions evaluated and expanded, and has the result
// planned and applied.
//
// It decides nothing that another package decides: what a configuration means
// is config's, what must change is plan's, in which order is plan/apply's,
// what is remembered is state's. It knows nothing of flags or terminals.
package deploy

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/deploy/planfile"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// Options say what to open.
type Options struct {
	Dir       string                                // of the configuration; default "."
	Workspace string                                // default: the selected one
	StatePath string                                // default: by workspace, beside the configuration
	Flavours  []string                              // -flavour
	All       bool                                  // without Flavours: everything on record, not the default flavours
	Inputs    []config.InputArgument                // -var and -var-file, in their order
	Environ   []string                              // of the process, for NXC_VAR_name
	Ask       func(*config.Variable) (string, bool) // for a value that is missing; nil: nobody can be asked
	Saved     *planfile.File                        // a saved plan: it says what Flavours, All and Inputs say otherwise

	OwnerToken string // $NXC_OWNER_TOKEN

	StateHome  string // $XDG_STATE_HOME/nxc
	CacheHome  string // $XDG_CACHE_HOME/nxc
	RuntimeDir string // short, for sockets

	Restore     bool // put a state file that is gone back
	LockTimeout time.Duration
	Disk        state.Disk // what the state is written through; nil: the real one
	Command     string     // for locks and open marks: "apply"
	Version     string
	Plugins     Plugins
	Standin     func(ctx context.Context, storeRoot string, progress func(string)) (string, error)
	Emulator    func(ctx context.Context, storeRoot string, progress func(string)) (json.RawMessage, error) // for tests on the stand-in
	Events      Events
	Logger      *slog.Logger
}

// Events is told what happens. Methods may be called concurrently.
type Events interface {
	apply.Events
	// Step says what is being done now, when that may take a while.
	Step(text string)
	// Waits says what a provider waits for outside an operation, such as an
	// interface that has to be asked again.
	Waits(text string)
	// Nix passes on what Nix does, for a deployment.
	Nix(d addr.Deployment, e nix.Event)
	// Warn shows diagnostics that end nothing.
	Warn(hcl.Diagnostics)
}

// Project is an open configuration with its state.
type Project struct {
	o         Options
	Config    *config.Config
	Selection config.Selection
	Store     *state.Store

	inputs    map[string]cty.Value
	lenient   bool // variables may lack values: what is recorded does instead
	checking  bool // only the configuration is looked at, with whatever values there are
	providers *providers
	types     *types
	nix       *nix.Nix // found at the first need
	restored  string   // a line that says that the state file was put back
	snapshot  *state.Snapshot
	recorded  *state.State        // the snapshot's; the session's once an apply runs
	edits     []edit              // what moved, removed and import blocks ask for
	findings  []finding           // what became of interrupted operations
	strays    map[string]string   // attempts that were found under another uuid than their deployment has now
	refreshed []plan.Prior        // what is there now
	unowned   plugins.Diagnostics // why a flavour has no provider
}

// Deployment is what a plan knows of one deployment.
type Deployment struct {
	Name     addr.Deployment
	Flavour  string // type
	Provider string // configuration
	Location plugins.Location

	Evaluation *nix.Evaluation
	Nodes      []Node // sorted by name
	Roles      []RoleChange
	Contexts   []ContextChange
	Updates    config.Updates // what a change of their systems does to nodes
	Switches   bool           // the flavour's nodes can take on another system while they run

	keys      *keyring
	composed  *config.CompositionValue
	expansion *plugins.Expansion
	pinHash   string

	sourceName string
}

// Node is one node of a deployment.
type Node struct {
	plugins.ExpandedNode
	Addr addr.Instance
}

// RoleChange is what changes inside a role's system.
type RoleChange struct {
	Role     string
	Old, New string // store paths; "" when there was, or will be, none
	Diff     nix.ManifestDiff
	Known    bool // the old manifest is there, so that Diff means something
	Opaque   bool // the new system is a flake's own, of which there is no manifest
	Size     Sizes

	// Closure is package by package what both systems consist of, where both
	// are in the Nix store and somebody asked.
	Closure      []nix.SizeChange
	ClosureKnown bool
}

// Sizes are closure sizes in bytes; -1 where only a build will tell.
type Sizes struct{ Old, New int64 }

// ContextChange is a running node whose context will be delivered anew.
type ContextChange struct {
	Node string
	What string // such as "hosts"
}

// Planned is a plan and what is needed to apply it.
type Planned struct {
	Plan        *plan.Plan
	Deployments []*Deployment // sorted by name; selected ones
	Left        []addr.Deployment
	Outputs     []OutputChange
	Destroy     bool
	Pins        []PinChange
	Notices     []string // lines of news: taken back, recovered

	source     *source
	base       *state.State
	p          *Project
	rearranges bool // moved, removed or import blocks have something to do
}

// OutputChange is an output before and after.
type OutputChange struct {
	Deployment    addr.Deployment
	Name          string
	Before, After cty.Value // NilVal: not there
	Sensitive     bool
}

// PinChange says that nixpkgs moved.
type PinChange struct {
	Deployment addr.Deployment
	Old, New   string
}

// HasChanges reports whether applying would do anything.
func (p *Planned) HasChanges() bool {
	if p.rearranges {
		return true
	}
	for i := range p.Plan.Changes {
		if p.Plan.Changes[i].Action != plan.NoOp {
			return true
		}
	}
	for _, d := range p.Deployments {
		if len(d.Contexts) > 0 {
			return true
		}
	}
	for _, o := range p.Outputs {
		if !sameValue(o.Before, o.After) {
			return true
		}
	}
	return false
}

func sameValue(a, b cty.Value) bool {
	if a == cty.NilVal || b == cty.NilVal {
		return a == b
	}
	a, _ = a.UnmarkDeep()
	b, _ = b.UnmarkDeep()
	return a.RawEquals(b)
}

// Started lists the providers that were started, sorted.
func (p *Project) Started() []string {
	var names []string
	for _, running := range p.providers.all() {
		if name := providerName(running.name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Close ends the providers.
func (p *Project) Close(ctx context.Context) {
	p.providers.close(ctx)
	if len(p.recorded.Resources()) == 0 {
		p.removeFolders()
	}
}

// folders returns a provider configuration's places. They are there once
// something exists: a plan of a new state leaves none behind.
func (p *Project) folders(configuration string) (plugins.Folders, error) {
	if p.snapshot.Found {
		if err := p.makeFolders(configuration); err != nil {
			return plugins.Folders{}, err
		}
	}
	return p.foldersOf(configuration), nil
}

func (p *Project) foldersOf(configuration string) plugins.Folders {
	return plugins.Folders{
		Project: p.dir(),
		State:   filepath.Join(p.home(), "providers", configuration),
		Runtime: filepath.Join(p.o.RuntimeDir, p.recorded.Lineage[:8]),
		Cache:   filepath.Join(p.o.CacheHome, "providers", providerName(configuration)),
		Keys:    filepath.Join(p.home(), "keys"),

		StoreRoot: p.StoreRoot(),
	}
}

// StoreRoot is the folder below which this machine's /nix/store lies for this
// project, "" when that is the root of the file system.
func (p *Project) StoreRoot() string { return nix.StoreRoot(NixSettings(p.Config)) }

// removeFolders removes the providers' places that are empty, where nothing
// exists that could need them.
func (p *Project) removeFolders() {
	for _, running := range p.providers.all() {
		f := p.foldersOf(running.name)
		for _, dir := range []string{f.State, filepath.Dir(f.State), f.Runtime} {
			_ = os.Remove(dir) // it stays when something is in it
		}
	}
}

// makeFolders makes a provider configuration's places, closed to others.
func (p *Project) makeFolders(configuration string) error {
	f := p.foldersOf(configuration)
	for _, dir := range []string{f.State, f.Cache} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return state.MakeRuntimeFolder(f.Runtime)
}

// dir is the configuration's folder, absolute.
func (p *Project) dir() string {
	dir, err := filepath.Abs(p.Config.Dir)
	if err != nil {
		return p.Config.Dir
	}
	return dir
}

// home is the folder that lives as long as the state does: keys, logs, roots.
func (p *Project) home() string {
	return p.Store.Home(p.recorded.Lineage)
}

// jsonOf returns a value as JSON, for Nix.
func jsonOf(v cty.Value) (json.RawMessage, error) {
	return marshal(v)
}
