package deploy

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

// Plugins finds, describes and starts provider plugins. The command layer
// gives it; tests give their own.
type Plugins interface {
	// Names lists the providers that can be started, sorted.
	Names() []string
	// Schema describes a provider, from a cache where it can.
	Schema(ctx context.Context, name string) (*plugins.Schema, plugins.Diagnostics)
	// Start starts a process that will serve one configuration.
	Start(ctx context.Context, name string) (Plugin, plugins.Diagnostics)
	// Survivors lists the processes of plugins, on this host, that the nxc with
	// a process id started and that outlive it.
	Survivors(pid int) []int
}

// Plugin is a running provider.
type Plugin interface {
	plugins.Provider
	// Close ends the process, gracefully while ctx allows.
	Close(ctx context.Context) error
}

// provider is one configured provider. Its name is that of the
// configuration: "docker", or "docker.lab2".
type provider struct {
	Plugin
	name     string
	schema   *plugins.Schema
	location plugins.Location
	config   cty.Value // as configured, sensitive marks kept
	unwatch  func()    // ends Watch
}

// providers holds the schemas and the processes of a command.
type providers struct {
	plugins Plugins
	folders func(configuration string) (plugins.Folders, error)
	tell    func(text string) // what providers wait for

	mu      sync.Mutex
	schemas map[string]*plugins.Schema
	broken  map[string]plugins.Diagnostics // why a provider has no schema: it is asked once
	running map[string]*provider
}

func newProviders(p Plugins, folders func(string) (plugins.Folders, error), tell func(string)) *providers {
	return &providers{plugins: p, folders: folders, tell: tell, schemas: map[string]*plugins.Schema{}, broken: map[string]plugins.Diagnostics{}, running: map[string]*provider{}}
}

// providerName returns the provider behind a configuration's name.
func providerName(configuration string) string {
	name, _, _ := strings.Cut(configuration, ".")
	return name
}

// schema describes the provider behind a configuration.
func (ps *providers) schema(ctx context.Context, configuration string) (*plugins.Schema, plugins.Diagnostics) {
	name := providerName(configuration)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if s, ok := ps.schemas[name]; ok {
		return s, nil
	}
	if !slices.Contains(ps.plugins.Names(), name) {
		return nil, plugins.NewError(
			fmt.Sprintf("There is no provider %q", name),
			fmt.Sprintf("nxc has %s%s A third party's provider is a program named nxc-provider-%s, in the PATH or in .nxc/plugins.",
				strings.Join(ps.plugins.Names(), ", "), didYouMean(name, ps.plugins.Names()), name))
	}
	if diags, ok := ps.broken[name]; ok {
		return nil, diags
	}
	s, diags := ps.plugins.Schema(ctx, name)
	if diags.HasErrors() {
		if ctx.Err() == nil {
			ps.broken[name] = diags
		}
		return nil, diags
	}
	ps.schemas[name] = s
	return s, nil
}

// forFlavour returns the name of the provider that offers a flavour.
func (ps *providers) forFlavour(ctx context.Context, flavour string) (string, plugins.Diagnostics) {
	var all []string
	var broken plugins.Diagnostics
	for _, name := range ps.plugins.Names() {
		s, diags := ps.schema(ctx, name)
		if diags.HasErrors() {
			broken = append(broken, diags...)
			continue
		}
		if s.Flavours[flavour] != nil {
			return name, nil
		}
		for f := range s.Flavours {
			all = append(all, f)
		}
	}
	if len(broken) > 0 {
		return "", broken
	}
	sort.Strings(all)
	return "", plugins.NewError(
		fmt.Sprintf("There is no flavour of type %q", flavour),
		fmt.Sprintf("The providers here offer %s%s A flavour block's label is its type unless it has a type argument.",
			strings.Join(all, ", "), didYouMean(flavour, all)))
}

// get returns a configuration that has been started.
func (ps *providers) get(configuration string) (*provider, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p, ok := ps.running[configuration]
	return p, ok
}

// start starts and configures a provider, once.
func (ps *providers) start(ctx context.Context, configuration string, config cty.Value) (*provider, plugins.Diagnostics) {
	if p, ok := ps.get(configuration); ok {
		return p, nil
	}
	schema, diags := ps.schema(ctx, configuration)
	if diags.HasErrors() {
		return nil, diags
	}
	folders, err := ps.folders(configuration)
	if err != nil {
		return nil, plugins.NewError("Cannot prepare the folders of provider "+configuration, err.Error())
	}
	plugin, diags := ps.plugins.Start(ctx, providerName(configuration))
	if diags.HasErrors() {
		return nil, diags
	}
	unwatch := ps.watch(ctx, plugin)
	plain, _ := config.UnmarkDeep()
	location, diags := plugin.Configure(ctx, plugins.ConfigureRequest{Config: plain, Folders: folders})
	if diags.HasErrors() {
		unwatch()
		_ = plugin.Close(context.WithoutCancel(ctx))
		return nil, diags
	}
	p := &provider{Plugin: plugin, name: configuration, schema: schema, location: location, config: config, unwatch: unwatch}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if other, ok := ps.running[configuration]; ok { // another call was faster
		unwatch()
		_ = plugin.Close(context.WithoutCancel(ctx))
		return other, nil
	}
	ps.running[configuration] = p
	return p, diags
}

// watch passes on what a provider waits for, until the function that it returns
// is called.
func (ps *providers) watch(ctx context.Context, p Plugin) (unwatch func()) {
	w, ok := p.(plugins.Watcher)
	if !ok || ps.tell == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Watch(ctx, ps.tell)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// all returns the running providers, sorted by configuration.
func (ps *providers) all() []*provider {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	list := make([]*provider, 0, len(ps.running))
	for _, p := range ps.running {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *provider) int { return strings.Compare(a.name, b.name) })
	return list
}

// close ends every process, together.
func (ps *providers) close(ctx context.Context) {
	var wait sync.WaitGroup
	for _, p := range ps.all() {
		wait.Go(func() {
			p.unwatch()
			_ = p.Close(ctx)
		})
	}
	wait.Wait()
}

// patience is how long what was given up may take to end by itself, and then
// how long its provider may.
const patience = 3 * time.Second

// endTheDeaf ends the providers when hard ends and what they do does not: a
// verb that does not look at its context would otherwise keep a user waiting
// who has given up. The function that it returns says that all has ended.
func (p *Project) endTheDeaf(hard context.Context) (ended func()) {
	done := make(chan struct{})
	forget := context.AfterFunc(hard, func() {
		select {
		case <-done:
			return
		case <-time.After(patience):
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		p.providers.close(ctx)
	})
	return func() {
		forget()
		close(done)
	}
}

// asHCL turns a provider's diagnostics into the user's, placed by at, which
// maps a path to where the user wrote it and may return nil.
func asHCL(diags plugins.Diagnostics, at func(cty.Path) *hcl.Range) hcl.Diagnostics {
	out := make(hcl.Diagnostics, 0, len(diags))
	for _, d := range diags {
		severity := hcl.DiagError
		if d.Severity == plugins.Warning {
			severity = hcl.DiagWarning
		}
		h := &hcl.Diagnostic{Severity: severity, Summary: d.Summary, Detail: d.Detail}
		if at != nil {
			h.Subject = at(d.Path)
		}
		out = append(out, h)
	}
	return out
}

// didYouMean ends a sentence that lists what is known, with a suggestion when
// one of it is close.
func didYouMean(given string, known []string) string {
	for _, k := range known {
		if levenshtein.Distance(given, k, nil) <= 2 {
			return fmt.Sprintf(". Did you mean %q?", k)
		}
	}
	return "."
}

func errorf(summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
}
