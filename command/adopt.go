package command

import (
	"context"
	"flag"
	"fmt"
)

func adoptCommand(env *Env) *command {
	var yes bool
	return &command{
		synopsis: "Take over a state that is somebody else's",
		usage:    "[-auto-approve]",
		help: `
Makes this folder the owner of its state: from then on plan, apply and destroy
act on what exists, and the former owner's folder can only look at it, as soon
as it has this state file: commit and push it. Do this
when the experiment was handed over, or when its first folder is lost.

For a copy of one's own, use nxc workspace new instead.`,
		flags: func(fs *flag.FlagSet) { fs.BoolVar(&yes, "auto-approve", false, "do not ask") },
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "adopt", args); bad {
				return status
			}
			store, err := openStore(ctx, env, "", "adopt")
			if err != nil {
				return printError(env, "adopt", err)
			}
			if !yes {
				if !env.Interactive {
					return printError(env, "adopt", fmt.Errorf("nobody can be asked, because stdin is no terminal; use -auto-approve"))
				}
				if !confirm(ctx, env, "Take over what this state describes? Its present owner loses it.") {
					fmt.Fprintln(env.Stdout, "Nothing was changed.")
					return exitError
				}
			}
			if err := store.Adopt(ctx); err != nil {
				return printError(env, "adopt", err)
			}
			fmt.Fprintln(env.Stdout, "This folder owns the state now. Commit the state file: its former owner's folder can change what exists until it has this one.")
			return exitOK
		},
	}
}
