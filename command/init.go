package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/examples"
	"github.com/nixos-compose/nxc/internal/atomicfile"
)

func initCommand(env *Env) *command {
	var template string
	var list, upgrade, convert bool
	var roles string
	return &command{
		synopsis: "Write a first configuration",
		usage:    "[-template NAME | -from-nixos-compose] [FOLDER]",
		help: `
Writes an example's configuration and composition into a folder (the current
one by default), ready for nxc plan. It overwrites nothing.

With -from-nixos-compose it reads a project of NixOSCompose (flake.nix, nxc.json,
setup.toml, a role distribution file) and writes the configuration that says the
same, with a note on everything that is different now. The project stays as it is.

Examples:
  nxc init                          the smallest example
  nxc init -template webserver demo
  nxc init -list
  nxc init -from-nixos-compose      a configuration for the project that is here
  nxc init -upgrade                 accept plugins that were changed`,
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&template, "template", "basic", "write the example called `NAME`")
			fs.BoolVar(&list, "list", false, "list the examples")
			fs.BoolVar(&convert, "from-nixos-compose", false, "write a configuration for the NixOSCompose project in the folder")
			fs.StringVar(&roles, "roles", "", "with -from-nixos-compose: the role distribution `FILE` to take over, from\nthe project's folder")
			fs.BoolVar(&upgrade, "upgrade", false, "pin the plugins of third parties that .nxc.lock.hcl names as they\nare now, after they were changed on purpose")
		},
		run: func(ctx context.Context, args []string) int {
			if upgrade {
				return upgradePins(ctx, env)
			}
			if list {
				for _, e := range examples.All() {
					fmt.Fprintf(env.Stdout, "%-12s %s\n", e.Name, e.About)
				}
				return exitOK
			}
			if len(args) > 1 {
				fmt.Fprintln(env.Stderr, "nxc init: name one folder")
				return exitError
			}
			folder := "."
			if len(args) == 1 {
				folder = args[0]
			}
			if convert {
				return convertProject(ctx, env, folder, roles)
			}
			written, err := writeExample(template, folder)
			if err != nil {
				fmt.Fprintln(env.Stderr, "nxc init:", err)
				return exitError
			}
			for _, name := range written {
				fmt.Fprintln(env.Stdout, "wrote", name)
			}
			next := "nxc plan"
			if folder != "." {
				next = "cd " + folder + " && nxc plan"
			}
			fmt.Fprintf(env.Stdout, "\nNow look at it, and run: %s\n", next)
			return exitOK
		},
	}
}

// upgradePins accepts the plugins as they are now.
func upgradePins(ctx context.Context, env *Env) int {
	names, err := newPlugins(env, xdg(env, "XDG_CACHE_HOME", ".cache"), logger(env)).repin(ctx)
	if err != nil {
		return printError(env, "init", err)
	}
	if len(names) == 0 {
		fmt.Fprintln(env.Stdout, "Nothing is pinned here: the providers that come with nxc need no pin.")
		return exitOK
	}
	fmt.Fprintf(env.Stdout, "Pinned in .nxc.lock.hcl: %s.\n", strings.Join(names, ", "))
	return exitOK
}

// writeExample copies an example's files into a folder, unless one of them is
// there already.
func writeExample(name, folder string) ([]string, error) {
	files, err := examples.Files(name)
	if err != nil {
		var names []string
		for _, e := range examples.All() {
			names = append(names, e.Name)
		}
		return nil, fmt.Errorf("there is no example %q%s; there are %s", name, suggest(name, names), strings.Join(names, ", "))
	}
	if present, _ := filepath.Glob(filepath.Join(folder, "*.nxc.hcl")); len(present) > 0 {
		return nil, fmt.Errorf("%s is there already: this folder has a configuration", present[0])
	}
	for _, f := range files {
		path := filepath.Join(folder, f.Name)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is there already, and would be overwritten", path)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	var written []string
	for _, f := range files {
		path := filepath.Join(folder, f.Name)
		if err := atomicfile.Write(path, f.Content, 0o644); err != nil {
			return written, err
		}
		written = append(written, path)
	}
	return written, nil
}
