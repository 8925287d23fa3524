package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// Open loads the configuration of a folder and its state. sources receives
// the files that diagnostics point into, also when opening fails.
func Open(ctx context.Context, o Options, sources func(map[string]*hcl.File)) (*Project, hcl.Diagnostics) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	cfg, diags := config.Load(o.Dir)
	if cfg != nil {
		sources(cfg.Files)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	diags = append(diags, cfg.CheckVersion(o.Version)...)
	if diags.HasErrors() {
		return nil, diags
	}
	cfg.Version = o.Version
	store, err := state.Open(ctx, state.Options{
		Dir: o.Dir, StatePath: o.StatePath, Workspace: o.Workspace, StateHome: o.StateHome,
		OwnerToken: o.OwnerToken, LockTimeout: o.LockTimeout, Disk: o.Disk, Command: "nxc " + o.Command,
		OnWait: func(e *state.LockedError) { o.Events.Waits("Waiting: " + e.Error()) },
	})
	if err != nil {
		return nil, append(diags, stateDiagnostic(err))
	}
	restored := ""
	if o.Restore {
		if restored, err = store.Restore(ctx); err != nil {
			return nil, append(diags, stateDiagnostic(err))
		}
	}
	snapshot, err := store.Load(ctx)
	if err != nil {
		return nil, append(diags, stateDiagnostic(err))
	}
	recorded := snapshot.State
	if o.Saved != nil {
		o.Flavours, o.All = o.Saved.Request.Flavours, o.Saved.Request.Destroy
	}
	cfg.Workspace = store.Workspace()
	selection, more := selectFrom(cfg, o, recorded)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	p := &Project{o: o, Config: cfg, Selection: selection, Store: store, restored: restored, snapshot: snapshot, recorded: recorded}
	p.types = &types{p: p}
	p.providers = newProviders(o.Plugins, p.folders, func(text string) { o.Events.Waits(text) })
	return p, diags
}

// selectFrom chooses the deployments that a command is about.
func selectFrom(cfg *config.Config, o Options, recorded *state.State) (config.Selection, hcl.Diagnostics) {
	if !o.All || len(o.Flavours) > 0 {
		return cfg.Select(o.Flavours, recorded.Names()...)
	}
	all := config.Selection{TopLevel: true}
	for _, d := range recorded.Names() {
		if !d.IsTop() {
			all.Deployments = append(all.Deployments, d)
		}
	}
	return all, nil
}

// prepare gives variables their values and flavours their providers: what a
// plan needs, and a destroy does not.
func (p *Project) prepare(ctx context.Context) hcl.Diagnostics {
	if p.inputs != nil && !p.lenient {
		return nil
	}
	o, diags := p.inputOptions()
	if diags.HasErrors() {
		return diags
	}
	o.Ask, o.Unknown = p.o.Ask, p.checking
	inputs, more := p.Config.Inputs(o)
	if diags = append(diags, more...); diags.HasErrors() {
		return diags
	}
	p.inputs, p.lenient = inputs, false
	var failed plugins.Diagnostics
	p.Config.AssignProviders(func(flavour string) string {
		owner, pd := p.providers.forFlavour(ctx, flavour)
		if pd.HasErrors() && len(failed) == 0 {
			failed = pd
		}
		return owner
	})
	p.unowned = failed
	return diags
}

// prepareLenient gives variables their values where they have one, for commands
// that need them only to reach what exists: a destroy must not fail because a
// variable has no value any more.
func (p *Project) prepareLenient() {
	if p.inputs != nil {
		return
	}
	o, _ := p.inputOptions() // what cannot be read is compared with the plan in any case
	inputs, diags := p.Config.Inputs(o)
	p.inputs, p.lenient = inputs, true
	if diags.HasErrors() {
		p.o.Logger.Warn("variables have no value", "err", diags.Error())
		if p.inputs == nil {
			p.inputs = map[string]cty.Value{}
		}
	}
}

// startNix returns the way to Nix, found at the first need.
func (p *Project) startNix() (*nix.Nix, hcl.Diagnostics) {
	if p.nix != nil {
		return p.nix, nil
	}
	n, err := nix.New(nix.Options{Settings: NixSettings(p.Config), CacheDir: p.o.CacheHome, Standin: p.o.Standin, Emulator: p.o.Emulator, Logger: p.o.Logger})
	if err != nil {
		summary := "Nix cannot be used"
		if errors.Is(err, nix.ErrNoNix) {
			summary = "Nix is not here"
		}
		return nil, hcl.Diagnostics{errorf(summary, "%s", sentence(err))}
	}
	p.nix = n
	return n, nil
}

// NixSettings are what a configuration's build block says.
func NixSettings(c *config.Config) []nix.Setting {
	var all []nix.Setting
	for _, s := range c.Build {
		all = append(all, nix.Setting{Name: s.Name, Value: s.Value})
	}
	return all
}

// Validate checks a configuration without its state.
func Validate(ctx context.Context, o Options, sources func(map[string]*hcl.File)) hcl.Diagnostics {
	cfg, diags := config.Load(o.Dir)
	if cfg != nil {
		sources(cfg.Files)
	}
	if diags.HasErrors() {
		return diags
	}
	diags = append(diags, cfg.CheckVersion(o.Version)...)
	if more := cfg.CheckFunctions(); more.HasErrors() {
		return append(diags, more...)
	}
	cfg.Version, cfg.Workspace = o.Version, state.DefaultWorkspace
	p := &Project{o: o, Config: cfg, recorded: state.New(), checking: true}
	p.types = &types{p: p}
	p.providers = newProviders(o.Plugins, func(string) (plugins.Folders, error) {
		return plugins.Folders{}, errors.New("validate starts no provider")
	}, nil)
	selection, more := cfg.Select(everyFlavour(cfg))
	diags = append(diags, more...)
	if diags.HasErrors() {
		return diags
	}
	selection.TopLevel = true
	p.Selection = selection
	diags = append(diags, p.prepare(ctx)...)
	if diags.HasErrors() {
		return diags
	}
	s, more := p.newSource()
	diags = append(diags, more...)
	if more.HasErrors() {
		return diags
	}
	return once(append(diags, s.check(ctx)...))
}

func everyFlavour(cfg *config.Config) []string {
	var all []string
	for _, name := range sortedKeys(cfg.Compositions) {
		for _, f := range cfg.Compositions[name].Flavours {
			all = append(all, f.Deployment().String())
		}
	}
	return all
}

// check evaluates every body by its schema, with the objects unknown.
func (s *source) check(ctx context.Context) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, level := range s.levels {
		for _, block := range level {
			if !block.Deployment.IsTop() {
				diags = append(diags, s.checkDeployment(ctx, block.Deployment)...)
				continue
			}
			r := s.blocks[block]
			b, more := s.schemaOf(ctx, r)
			diags = append(diags, more...)
			if more.HasErrors() {
				continue
			}
			x, more := s.evaluator.Expand(r)
			if more.HasErrors() {
				if r.Count == nil && r.ForEach == nil {
					diags = append(diags, more...)
				}
				continue
			}
			for _, key := range x.Keys {
				_, more := s.evaluator.Resource(r, x, key, b)
				diags = append(diags, more...)
				if more.HasErrors() {
					break
				}
			}
		}
	}
	return diags
}

func (s *source) checkDeployment(ctx context.Context, d addr.Deployment) hcl.Diagnostics {
	comp, flavour := s.p.Config.Deployment(d)
	_, diags := s.evaluator.Composition(comp)
	offer, pd := s.p.flavour(ctx, flavour)
	if pd.HasErrors() {
		return append(diags, asHCL(pd, func(cty.Path) *hcl.Range { return flavour.DeclRange.Ptr() })...)
	}
	_, more := s.evaluator.Flavour(flavour, &offer.Block)
	return append(diags, more...)
}

// stateDiagnostic shows what the state has to say.
func stateDiagnostic(err error) *hcl.Diagnostic {
	var told interface{ Summary() string }
	d := errorf("The state cannot be used", "%s", sentence(err))
	if errors.As(err, &told) {
		d = errorf(told.Summary(), "%s", sentence(err))
	}
	d.Extra = err
	return d
}

// sentence makes an error's text one. A name at its beginning, such as
// webserver::docker or a file's, stays as it is written.
func sentence(err error) string {
	text := err.Error()
	if text == "" {
		return text
	}
	first, _, _ := strings.Cut(text, " ")
	if strings.ContainsAny(strings.TrimRight(first, ":,"), ":._/[") {
		return trimStop(text) + "."
	}
	return fmt.Sprintf("%s%s.", upperFirst(text[:1]), trimStop(text[1:]))
}
