package command

import (
	"context"
	"fmt"

	"github.com/nixos-compose/nxc/internal/addr"
)

func refreshCommand(env *Env) *command {
	return rereadCommand(env, "refresh", true, &command{
		synopsis: "Bring the state in line with what exists",
		usage:    "[flags]",
		help: `
Reads every object and writes down what changed outside nxc. Nothing outside is
touched. Plan and apply do this by themselves; refresh does it alone, without
the configuration's changes.

Example:
  nxc refresh`,
	})
}

func stateRecoverCommand(env *Env) *command {
	return rereadCommand(env, "state recover", false, &command{
		synopsis: "Write down what commands that died had done",
		usage:    "[flags]",
		help: `
Finds out what became of the operations of commands that were killed, and
writes it into the state. Plan shows this, and apply and destroy do it by
themselves; state recover does it alone. What is half made stays, marked, until
the next apply or destroy.

A state file that is gone is put back first, as nxc last wrote it.

Example:
  nxc state recover`,
	})
}

func rereadCommand(env *Env, name string, all bool, c *command) *command {
	f := projectFlags{restore: !all}
	c.flags = f.register
	c.run = func(ctx context.Context, args []string) int {
		if status, bad := noArguments(env, name, args); bad {
			return status
		}
		soft, _, stop := interruptible(ctx, func(int) {})
		defer stop()
		return f.open(soft, env, name, func(p opened) int {
			found, diags := p.Refresh(soft, all)
			p.view.Diagnostics(diags)
			p.lastResort(env, diags)
			if soft.Err() != nil {
				return exitInterrupted
			}
			if diags.HasErrors() {
				return exitError
			}
			if f.json {
				return printJSON(env, struct {
					FormatVersion string   `json:"format_version"`
					Notices       []string `json:"notices"`
					Changed       []string `json:"changed"`
					Gone          []string `json:"gone"`
				}{"1.0", append([]string{}, found.Notices...), texts(found.Changed), texts(found.Gone)})
			}
			for _, n := range found.Notices {
				p.view.Note(n)
			}
			for _, a := range found.Changed {
				p.view.Note(fmt.Sprintf("%s has changed outside nxc.", a))
			}
			for _, a := range found.Gone {
				p.view.Note(fmt.Sprintf("%s is gone.", a))
			}
			if len(found.Notices)+len(found.Changed)+len(found.Gone) == 0 {
				p.view.Note("The state is as it was.")
			}
			return exitOK
		})
	}
	return c
}

func texts(list []addr.Instance) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return out
}

func importCommand(env *Env) *command {
	var f projectFlags
	return &command{
		synopsis: "Take in an object that nxc did not create",
		usage:    "[flags] ADDRESS ID",
		help: `
Reads an object by its provider's own name for it and writes it into the state
at ADDRESS, which the configuration must describe. From then on it is changed
and destroyed like any other. nxc plan shows how it differs from the
configuration. An import block does the same with the next apply.

Example:
  nxc import docker_volume.data experiment-results`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if len(args) != 2 {
				fmt.Fprintln(env.Stderr, "nxc import: name an address and the provider's name for the object")
				return exitError
			}
			to, err := addr.Parse(args[0])
			if err != nil {
				return printError(env, "import", err)
			}
			soft, _, stop := interruptible(ctx, func(int) {})
			defer stop()
			return f.open(soft, env, "import", func(p opened) int {
				diags := p.Import(soft, to, args[1])
				p.view.Diagnostics(diags)
				p.lastResort(env, diags)
				if diags.HasErrors() {
					return exitError
				}
				p.view.Note(fmt.Sprintf("%s is managed as %s now.", args[1], to))
				return exitOK
			})
		},
	}
}
