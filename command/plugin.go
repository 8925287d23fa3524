package command

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/host"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers"
	"github.com/nixos-compose/nxc/state"
)

// pluginCommand serves a provider that comes with nxc. nxc starts itself with
// it, over the same protocol that a third party's program speaks.
func pluginCommand(env *Env) *command {
	return &command{
		synopsis: "Serve a provider to nxc",
		usage:    "NAME",
		help:     "Serves one of the providers that come with nxc. nxc starts this by itself.",
		hidden:   true,
		run: func(_ context.Context, args []string) int {
			builtin := providers.Builtin()
			if len(args) == 0 || builtin[args[0]] == nil || len(args) > 1 && !sdk.IsProgram() {
				fmt.Fprintln(env.Stderr, "nxc plugin: nxc starts this by itself")
				return exitError
			}
			sdk.Serve(builtin[args[0]]())
			return exitOK
		},
	}
}

// installed finds the providers that come with nxc and those of third
// parties, and starts them.
type installed struct {
	env    *Env
	cache  string
	logger *slog.Logger
	found  map[string]string // third parties': name to path

	unpinned []string          // third parties' that were asked for and are not pinned
	dev      map[string]string // those in development: name to path
	devSaid  hcl.Diagnostics   // of them
}

var _ deploy.Plugins = (*installed)(nil)

func newPlugins(env *Env, cache string, logger *slog.Logger) *installed {
	p := &installed{env: env, cache: cache, logger: logger, found: host.Discover(pluginFolders(env)...)}
	p.dev, p.devSaid = inDevelopment(env.Getenv(developmentVariable))
	maps.Copy(p.found, p.dev)
	return p
}

// Names lists all providers, sorted.
func (p *installed) Names() []string {
	var names []string
	for name := range providers.Builtin() {
		names = append(names, name)
	}
	for name := range p.found {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Source says where a provider comes from.
func (p *installed) Source(name string) string {
	if p.dev[name] != "" {
		return p.dev[name] + ", in development"
	}
	if providers.Builtin()[name] != nil {
		return "comes with nxc"
	}
	return p.found[name]
}

// Schema describes a provider, from the cache where its binary is the same.
func (p *installed) Schema(ctx context.Context, name string) (*plugins.Schema, plugins.Diagnostics) {
	o, diags := p.options(name)
	if diags.HasErrors() {
		return nil, diags
	}
	return host.Schema(ctx, p.patient(o))
}

// Start starts a process for one configuration.
func (p *installed) Start(ctx context.Context, name string) (deploy.Plugin, plugins.Diagnostics) {
	o, diags := p.options(name)
	if diags.HasErrors() {
		return nil, diags
	}
	client, diags := host.Launch(ctx, p.patient(o))
	if diags.HasErrors() {
		return nil, diags
	}
	return client, nil
}

func (p *installed) options(name string) (host.Options, plugins.Diagnostics) {
	o := host.Options{Name: name, Logger: p.logger, Cache: p.cache}
	if sockets := filepath.Join(runtimeDir(p.env), "plugins"); state.MakeRuntimeFolder(sockets) == nil {
		o.Sockets = sockets // otherwise in the temporary folder, as any program's
	}
	switch {
	case p.devSaid.HasErrors():
		return o, plugins.NewError(p.devSaid[0].Summary, p.devSaid[0].Detail)
	case p.dev[name] != "":
		o.Path = p.dev[name]
		return o, nil
	case providers.Builtin()[name] == nil:
		o.Path = p.found[name]
		return o, p.pinned(&o)
	}
	self, err := p.env.Executable()
	if err != nil {
		return o, plugins.NewError("nxc cannot find its own program", err.Error())
	}
	o.Path, o.Args = self, []string{"plugin", name}
	return o, nil
}

// patient sets how long a plugin may say nothing, where NXC_PLUGIN_TIMEOUT
// does: a slow machine wants more, who looks for a fault wants less. An
// operation whose own time is over has a quarter of it to end.
func (p *installed) patient(o host.Options) host.Options {
	if t, err := time.ParseDuration(p.env.Getenv("NXC_PLUGIN_TIMEOUT")); err == nil && t > 0 {
		o.StartTimeout, o.SchemaTimeout, o.ConfigureTimeout, o.CallTimeout, o.Grace = t, t, t, t, t/4
	}
	return o
}

// pluginFolders are searched for nxc-provider-NAME, the project's own first.
func pluginFolders(env *Env) []string {
	folders := []string{".nxc/plugins", xdg(env, "XDG_DATA_HOME", ".local/share") + "/plugins"}
	return append(folders, strings.Split(env.Getenv("PATH"), ":")...)
}
