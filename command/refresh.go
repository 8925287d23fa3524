package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
)

func refreshCommand(env *Env) *command {
	f := projectFlags{}
	return rereadCommand(env, "refresh", &f, f.register, (*deploy.Project).Refresh, &command{
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
	f := projectFlags{restore: true, all: true}
	var take stringList
	flags := func(fs *flag.FlagSet) {
		f.register(fs)
		fs.Var(&take, "take", "take in what exists at an `ADDRESS`, or of a whole block or deployment, and is not in the state; may be repeated")
	}
	reread := func(p *deploy.Project, ctx context.Context) (*deploy.Reread, hcl.Diagnostics) {
		wanted, err := blocksOf(take)
		if err != nil {
			return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "This is no address", Detail: err.Error()}}
		}
		return p.Recover(ctx, wanted)
	}
	return rereadCommand(env, "state recover", &f, flags, reread, &command{
		synopsis: "Write down what commands that died had done",
		usage:    "[flags]",
		help: `
Finds out what became of the operations of commands that were killed, and
writes it into the state. Plan shows this, and apply and destroy do it by
themselves; state recover does it alone. What is half made stays, marked, until
the next apply or destroy.

A state file that is gone is put back first, as nxc last wrote it.

It also looks for objects that carry the identity of what is deployed here, and
that neither the state nor a journal knows: an older state was checked out
since, or a journal is lost. Those are listed, and stay as they are. With -take
they come into the state; the next apply keeps what the configuration has, and
removes the rest.

Examples:
  nxc state recover
  nxc state recover -take docker_volume.data`,
	})
}

// rereadCommand is a command that changes the state and nothing else.
func rereadCommand(env *Env, name string, f *projectFlags, flags func(*flag.FlagSet), reread func(*deploy.Project, context.Context) (*deploy.Reread, hcl.Diagnostics), c *command) *command {
	c.flags = flags
	c.run = func(ctx context.Context, args []string) int {
		if status, bad := noArguments(env, name, args); bad {
			return status
		}
		soft, _, stop := interruptible(ctx, func(int) {})
		defer stop()
		return f.open(soft, env, name, func(p opened) int {
			found, diags := reread(p.Project, soft)
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
					Unclaimed     []string `json:"unclaimed"`
				}{"1.0", append([]string{}, found.Notices...), spelled(found.Changed), spelled(found.Gone), spelled(found.Unclaimed)})
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

func spelled(list []addr.Instance) []string {
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
