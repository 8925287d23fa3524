package command

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/deploy/planfile"
	"github.com/nixos-compose/nxc/driver"
	"github.com/nixos-compose/nxc/nix/standin"
	"github.com/nixos-compose/nxc/state"
)

// projectFlags are the flags of every command that opens a configuration.
type projectFlags struct {
	flavours    stringList
	inputs      []config.InputArgument
	state       string
	lockTimeout time.Duration
	json        bool
	verbose     bool
	all         bool // without -flavour: everything that exists
	restore     bool // put a state file that is gone back
	ask         func(*config.Variable) (string, bool)
	saved       *planfile.File
	plugins     *installed
}

func (f *projectFlags) register(fs *flag.FlagSet) {
	fs.Var(&f.flavours, "flavour", "take this deployment: a `FLAVOUR`, or COMPOSITION::FLAVOUR;\nmay be given several times")
	fs.Var(&inputFlag{&f.inputs, false}, "var", "set a variable: `NAME=VALUE`; may be given several times")
	fs.Var(&inputFlag{&f.inputs, true}, "var-file", "read variables from `FILE`; may be given several times")
	fs.StringVar(&f.state, "state", "", "use this state `FILE` instead of nxc.state.json")
	fs.DurationVar(&f.lockTimeout, "lock-timeout", 0, "wait so long for another command to finish")
	fs.BoolVar(&f.json, "json", false, "print JSON for programs")
	fs.BoolVar(&f.verbose, "v", false, "show attributes, and log lines of what is done")
}

// inputFlag keeps -var and -var-file in the order in which they were given.
type inputFlag struct {
	list *[]config.InputArgument
	file bool
}

func (i *inputFlag) String() string { return "" }

// Set appends an argument.
func (i *inputFlag) Set(s string) error {
	*i.list = append(*i.list, config.InputArgument{File: i.file, Text: s})
	return nil
}

// view returns where a command's work is shown.
func (f *projectFlags) view(env *Env, files func() map[string]*hcl.File) view.View {
	o := view.Options{
		Out: env.Stdout, Err: env.Stderr, Color: !env.NoColor, Terminal: env.Terminal,
		Width: env.Width, Verbose: f.verbose, Version: Version(), Files: files,
	}
	if f.json {
		return view.NewJSON(o)
	}
	return view.NewHuman(o)
}

// options gathers what package deploy needs from flags and environment.
func (f *projectFlags) options(env *Env, name string, events deploy.Events) deploy.Options {
	logger := logger(env)
	cache := xdg(env, "XDG_CACHE_HOME", ".cache")
	f.plugins = newPlugins(env, cache, logger)
	return deploy.Options{
		Dir: ".", StatePath: f.state, Flavours: f.flavours, All: f.all, Inputs: f.inputs, Saved: f.saved, Ask: f.ask,
		Workspace: env.Getenv("NXC_WORKSPACE"), OwnerToken: env.Getenv("NXC_OWNER_TOKEN"),
		Environ: env.Environ, StateHome: xdg(env, "XDG_STATE_HOME", ".local/state"), CacheHome: cache,
		RuntimeDir: runtimeDir(env),
		Restore:    f.restore, LockTimeout: f.lockTimeout, Disk: env.Disk, Command: name, Version: Version(),
		Plugins: f.plugins,
		Standin: func(ctx context.Context, storeRoot string, progress func(string)) (string, error) {
			return standin.Ensure(ctx, standin.Options{CacheDir: filepath.Join(cache, "standin"), StoreRoot: storeRoot}, progress)
		},
		Emulator: func(ctx context.Context, storeRoot string, progress func(string)) (json.RawMessage, error) {
			files, err := driver.Files()
			if err != nil {
				return nil, err
			}
			made, err := standin.EnsureEmulator(ctx, standin.Options{CacheDir: filepath.Join(cache, "standin"), StoreRoot: storeRoot}, files, progress)
			if err != nil {
				return nil, err
			}
			return json.Marshal(made)
		},
		Events: events, Logger: logger,
	}
}

// opened is a project with its view.
type opened struct {
	*deploy.Project
	view view.View
}

// open opens the project of the current folder and hands it to do, which
// returns the exit status. It shows what goes wrong before that.
func (f *projectFlags) open(ctx context.Context, env *Env, name string, do func(opened) int) int {
	var files map[string]*hcl.File
	v := f.view(env, func() map[string]*hcl.File { return files })
	defer v.Flush()
	if env.Interactive && !f.json {
		f.ask = asker(ctx, env)
	}
	return f.openIn(ctx, env, name, v, func(m map[string]*hcl.File) { files = m }, do)
}

// openIn opens the project in a view that may show other projects' work too.
func (f *projectFlags) openIn(ctx context.Context, env *Env, name string, v view.View, files func(map[string]*hcl.File), do func(opened) int) int {
	options := f.options(env, name, v)
	v.Diagnostics(f.plugins.devSaid)
	if f.plugins.devSaid.HasErrors() {
		return exitError
	}
	project, diags := deploy.Open(ctx, options, files)
	v.Diagnostics(diags)
	if diags.HasErrors() {
		return exitError
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		project.Close(end)
	}()
	return do(opened{project, v})
}

// xdg returns nxc's folder below one of the XDG base directories.
func xdg(env *Env, variable, fallback string) string {
	base := env.Getenv(variable)
	if base == "" || !filepath.IsAbs(base) {
		home := env.Getenv("HOME")
		if home == "" {
			home = filepath.Join(os.TempDir(), "nxc-"+strconv.Itoa(os.Getuid()))
		}
		base = filepath.Join(home, fallback)
	}
	return filepath.Join(base, "nxc")
}

// runtimeDir is a short path for sockets, the user's own. The temporary folder
// of a Nix shell goes with that shell, and machines stay.
func runtimeDir(env *Env) string {
	temporary := env.Getenv("TMPDIR")
	if env.Getenv("IN_NIX_SHELL") != "" {
		temporary = ""
	}
	return state.RuntimeParent(env.Getenv("XDG_RUNTIME_DIR"), temporary)
}

// logger writes to stderr when NXC_LOG asks for it.
func logger(env *Env) *slog.Logger {
	var level slog.Level
	switch strings.ToLower(env.Getenv("NXC_LOG")) {
	case "":
		return slog.New(slog.DiscardHandler)
	case "debug", "trace", "1":
		level = slog.LevelDebug
	case "info":
		level = slog.LevelInfo
	case "warn":
		level = slog.LevelWarn
	default:
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: level}))
}
