package command

import (
	"context"
	"flag"
	"fmt"
	"strings"
)

func initCommand(env *Env) *command {
	var template, nixpkgs string
	var list, upgrade, convert bool
	var roles string
	return &command{
		synopsis: "Write a first configuration",
		usage:    "[-template NAME [-nixpkgs WHICH] | -from-nixos-compose] [FOLDER]",
		help: `
Writes an example's configuration and composition into a folder (the current
one by default), ready for nxc plan. It overwrites nothing.

An example has the embedded nixpkgs, which runs at once. -nixpkgs gives it another:
what a composition's nixpkgs may say, or a reference such as
github:NixOS/nixpkgs/nixos-25.11, which is then pinned in nixpkgs.lock.

With -from-nixos-compose it reads a project of NixOSCompose (flake.nix, nxc.json,
setup.toml, a role distribution file) and writes the configuration that says the
same, with a note on everything that is different now. The project stays as it is.

Examples:
  nxc init                          the smallest example
  nxc init -template webserver demo
  nxc init -template setup -nixpkgs github:NixOS/nixpkgs/nixos-25.11
  nxc init -list
  nxc init -from-nixos-compose      a configuration for the project that is here
  nxc init -upgrade                 accept plugins that were changed`,
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&template, "template", "basic", "write the example called `NAME`")
			fs.StringVar(&nixpkgs, "nixpkgs", "embedded", "`WHICH` nixpkgs the example is to have")
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
				listExamples(env)
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
			written, err := writeExample(ctx, env, template, nixpkgs, folder)
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
		fmt.Fprintln(env.Stdout, "Nothing is pinned: providers that come with nxc, and those in development, need no pin.")
		return exitOK
	}
	fmt.Fprintf(env.Stdout, "Pinned in .nxc.lock.hcl: %s.\n", strings.Join(names, ", "))
	return exitOK
}
