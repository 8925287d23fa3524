package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/nixos-compose/nxc/state"
)

func workspaceNewCommand(env *Env) *command {
	return &command{
		synopsis: "Make a workspace: another copy of everything",
		usage:    "NAME",
		help: `
Makes a workspace with a state file of its own, nxc.NAME.state.json, and
selects it. What the present workspace is pinned to is kept, and its outputs,
so that the two can be compared; nothing that exists is taken along.

This is how to run somebody else's experiment as one's own.

Example:
  nxc workspace new mine && nxc apply`,
		run: func(ctx context.Context, args []string) int {
			if len(args) != 1 {
				fmt.Fprintln(env.Stderr, "nxc workspace new: give the workspace a name")
				return exitError
			}
			store, err := openStore(ctx, env, "", "workspace new")
			if err == nil {
				_, err = store.NewWorkspace(ctx, args[0])
			}
			if err == nil {
				err = state.SelectWorkspace(".", args[0])
			}
			if err != nil {
				return printError(env, "workspace new", err)
			}
			fmt.Fprintf(env.Stdout, "Workspace %s is made and selected. nxc plan shows what it would have.\n", args[0])
			return exitOK
		},
	}
}

func workspaceListCommand(env *Env) *command {
	var asJSON bool
	return &command{
		synopsis: "List the workspaces",
		usage:    "[-json]",
		help:     "Lists the workspaces of this folder. The selected one is marked.",
		flags:    func(fs *flag.FlagSet) { fs.BoolVar(&asJSON, "json", false, "print JSON for programs") },
		run: func(_ context.Context, args []string) int {
			if status, bad := noArguments(env, "workspace list", args); bad {
				return status
			}
			selected, err := selectedWorkspace(env)
			if err != nil {
				return printError(env, "workspace list", err)
			}
			names, err := state.Workspaces(".")
			if err != nil {
				return printError(env, "workspace list", err)
			}
			if asJSON {
				return printJSON(env, struct {
					FormatVersion string   `json:"format_version"`
					Selected      string   `json:"selected"`
					Workspaces    []string `json:"workspaces"`
				}{"1.0", selected, names})
			}
			for _, name := range names {
				mark := " "
				if name == selected {
					mark = "*"
				}
				fmt.Fprintf(env.Stdout, "%s %s\n", mark, name)
			}
			return exitOK
		},
	}
}

func workspaceSelectCommand(env *Env) *command {
	return &command{
		synopsis: "Select a workspace",
		usage:    "NAME",
		help: `
Selects the workspace that commands in this folder use. NXC_WORKSPACE selects
one for a single command.`,
		run: func(_ context.Context, args []string) int {
			if len(args) != 1 {
				fmt.Fprintln(env.Stderr, "nxc workspace select: name one workspace; nxc workspace list shows them")
				return exitError
			}
			if err := state.SelectWorkspace(".", args[0]); err != nil {
				return printError(env, "workspace select", err)
			}
			fmt.Fprintf(env.Stdout, "Workspace %s is selected.\n", args[0])
			return exitOK
		},
	}
}

func selectedWorkspace(env *Env) (string, error) {
	if name := env.Getenv("NXC_WORKSPACE"); name != "" {
		return name, nil
	}
	return state.SelectedWorkspace(".")
}
