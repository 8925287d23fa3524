package command

import (
	"context"
	"flag"
	"fmt"
)

func workspaceDeleteCommand(env *Env) *command {
	var force bool
	return &command{
		synopsis: "Delete a workspace",
		usage:    "[-force] NAME",
		help: `
Deletes a workspace that has nothing any more: its state file and what nxc
keeps for it. One that still has resources is refused; with -force they stay
where they are, and nxc forgets them.

Example:
  nxc workspace select default && nxc workspace delete mine`,
		flags: func(fs *flag.FlagSet) {
			fs.BoolVar(&force, "force", false, "also when it has resources, which stay where they are")
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) != 1 {
				fmt.Fprintln(env.Stderr, "nxc workspace delete: name one workspace; nxc workspace list shows them")
				return exitError
			}
			store, err := openStore(ctx, env, "", "workspace delete")
			if err == nil {
				err = store.DeleteWorkspace(ctx, args[0], force)
			}
			if err != nil {
				return printError(env, "workspace delete", err)
			}
			fmt.Fprintf(env.Stdout, "Workspace %s is deleted.\n", args[0])
			return exitOK
		},
	}
}

func workspaceShowCommand(env *Env) *command {
	return &command{
		synopsis: "Print the selected workspace's name",
		usage:    "",
		help:     "Prints the name of the workspace that commands in this folder use.",
		run: func(_ context.Context, args []string) int {
			if status, bad := noArguments(env, "workspace show", args); bad {
				return status
			}
			name, err := selectedWorkspace(env)
			if err != nil {
				return printError(env, "workspace show", err)
			}
			fmt.Fprintln(env.Stdout, name)
			return exitOK
		},
	}
}
