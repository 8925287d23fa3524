package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/nixos-compose/nxc/state"
)

func forceUnlockCommand(env *Env) *command {
	var file string
	var yes, force bool
	return &command{
		synopsis: "Break the lock of a command that cannot be ended",
		usage:    "[flags]",
		help: `
Shows who holds locks on the state, and frees them. A lock is freed by itself
when the command that holds it ends, however it ends; this is for a host that
is cut off and holds a lock over NFS. A command of this host that runs is left
alone without -force: end it instead.

The holder is not stopped. When it comes to write the state, it finds that
somebody else did, and keeps what it knows in its journal.

Example:
  nxc force-unlock`,
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&file, "state", "", "use this state `FILE` instead of nxc.state.json")
			fs.BoolVar(&yes, "auto-approve", false, "do not ask")
			fs.BoolVar(&force, "force", false, "also when the holder is a command of this host that runs")
		},
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "force-unlock", args); bad {
				return status
			}
			store, err := openStore(ctx, env, file, "force-unlock")
			var locks []state.Lock
			if err == nil {
				locks, err = store.Locks()
			}
			if err != nil {
				return printError(env, "force-unlock", err)
			}
			if len(locks) == 0 {
				fmt.Fprintln(env.Stdout, "Nothing is locked.")
				return exitOK
			}
			running := false
			for _, l := range locks {
				fmt.Fprintf(env.Stdout, "%s is locked by %s\n", l.Name, holderText(l.Holder))
				running = running || l.Alive
			}
			if running && !force {
				return printError(env, "force-unlock", fmt.Errorf("its holder runs on this host; end it with kill -INT PID, or break its lock all the same with -force"))
			}
			if !yes {
				if !env.Interactive {
					return printError(env, "force-unlock", fmt.Errorf("nobody can be asked, because stdin is no terminal; use -auto-approve"))
				}
				if !confirm(ctx, env, "Break these locks? Make sure that their holders do not work any more.") {
					fmt.Fprintln(env.Stdout, "Nothing was changed.")
					return exitError
				}
			}
			for i := range locks {
				if err := locks[i].Break(); err != nil {
					return printError(env, "force-unlock", err)
				}
			}
			fmt.Fprintln(env.Stdout, "The locks are broken.")
			return exitOK
		},
	}
}

func holderText(h *state.Holder) string {
	if h == nil {
		return "a command that did not say which"
	}
	return fmt.Sprintf("%s on %s (pid %d), which runs %q since %s", h.User, h.Host, h.PID, h.Command, h.Since.Local().Format("2006-01-02 15:04:05"))
}
