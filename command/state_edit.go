package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

// editFlags are the flags of commands that change the state by hand.
type editFlags struct {
	file        string
	lockTimeout time.Duration
}

func (f *editFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.file, "state", "", "use this state `FILE` instead of nxc.state.json")
	fs.DurationVar(&f.lockTimeout, "lock-timeout", 0, "wait so long for another command to finish")
}

// edit opens the state, has it changed, and shows what goes wrong.
func (f *editFlags) edit(ctx context.Context, env *Env, name string, change func(*state.Store) error) int {
	store, err := state.Open(ctx, state.Options{
		Dir: ".", StatePath: f.file, Workspace: env.Getenv("NXC_WORKSPACE"), OwnerToken: env.Getenv("NXC_OWNER_TOKEN"), Disk: env.Disk,
		StateHome: xdg(env, "XDG_STATE_HOME", ".local/state"), Command: "nxc " + name, LockTimeout: f.lockTimeout,
		OnWait: func(e *state.LockedError) { fmt.Fprintln(env.Stderr, "Waiting: "+e.Error()) },
	})
	if err == nil {
		err = change(store)
	}
	if err != nil {
		return printError(env, name, err)
	}
	return exitOK
}

// lastResort prints a state that could be kept nowhere else.
func lastResort(env *Env, err error) {
	var failed *state.SaveError
	if errors.As(err, &failed) && failed.Content != nil {
		_, _ = env.Stdout.Write(failed.Content)
	}
}

// lastResort prints a state that could be kept nowhere else.
func (p opened) lastResort(env *Env, diags hcl.Diagnostics) {
	for _, d := range diags {
		if err, ok := d.Extra.(error); ok {
			lastResort(env, err)
		}
	}
}

// blocksOf reads addresses, of objects or of whole blocks and deployments.
func blocksOf(args []string) ([]addr.Instance, error) {
	var list []addr.Instance
	for _, text := range args {
		a, err := addr.ParseBlock(text)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

func stateMvCommand(env *Env) *command {
	var f editFlags
	return &command{
		synopsis: "Give what exists another address",
		usage:    "[flags] FROM TO",
		help: `
Renames an object, or all objects of a block, in the state. Nothing outside
changes; the configuration must use the new name, or the next apply destroys
what it does not find there. A moved block does the same for everybody who has
the configuration.

Examples:
  nxc state mv docker_network.lan docker_network.office
  nxc state mv docker_container.node 'docker_container.node[0]'`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if len(args) != 2 {
				return printError(env, "state mv", errors.New("name two addresses, the old and the new; nxc state list shows the old ones"))
			}
			list, err := blocksOf(args)
			if err != nil {
				return printError(env, "state mv", err)
			}
			return f.edit(ctx, env, "state mv", func(store *state.Store) error {
				moved, err := deploy.Move(ctx, store, list[0], list[1])
				for _, m := range moved {
					if err == nil {
						fmt.Fprintf(env.Stdout, "%s is %s now.\n", m[0], m[1])
					}
				}
				return err
			})
		},
	}
}

func stateRmCommand(env *Env) *command {
	var f editFlags
	return &command{
		synopsis: "Forget what exists, and leave it there",
		usage:    "[flags] ADDRESS...",
		help: `
Takes objects out of the state. They stay where they are and nxc does not know
them any more: no plan shows them, and destroy leaves them. An ADDRESS may name
a whole block or deployment.

Examples:
  nxc state rm docker_volume.data
  nxc state rm composition.webserver.docker`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			list, err := blocksOf(args)
			if err == nil && len(list) == 0 {
				err = errors.New("name at least one address; nxc state list shows them")
			}
			if err != nil {
				return printError(env, "state rm", err)
			}
			return f.edit(ctx, env, "state rm", func(store *state.Store) error {
				forgotten, err := deploy.Forget(ctx, store, list)
				if err != nil {
					return err
				}
				for _, a := range forgotten {
					fmt.Fprintf(env.Stdout, "%s is forgotten. It stays where it is.\n", a)
				}
				return nil
			})
		},
	}
}

func statePullCommand(env *Env) *command {
	var f stateFlags
	return &command{
		synopsis: "Print the state file",
		usage:    "[-state FILE]",
		help: `
Prints the state as nxc sees it now: the file, and what commands that died had
already done, which the next command writes into it.

Example:
  nxc state pull > before.json`,
		flags: func(fs *flag.FlagSet) {
			fs.StringVar(&f.file, "state", "", "look at this state `FILE` instead of nxc.state.json")
		},
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "state pull", args); bad {
				return status
			}
			s, ok := f.read(ctx, env, "state pull")
			if !ok {
				return exitError
			}
			data, err := s.Encode()
			if err == nil {
				_, err = env.Stdout.Write(data)
			}
			if err != nil {
				return printError(env, "state pull", err)
			}
			return exitOK
		},
	}
}

func statePushCommand(env *Env) *command {
	var f editFlags
	var force bool
	return &command{
		synopsis: "Replace the state's content by a file's",
		usage:    "[flags] FILE",
		help: `
Replaces what the state says by what FILE says ("-": the standard input), after
checking it. Nothing outside changes. The former content is kept in
.nxc/backup. A file of another lineage describes other things, and is refused
without -force.

Example:
  nxc state push before.json`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&force, "force", false, "also when the lineage is another")
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) != 1 {
				return printError(env, "state push", errors.New("name one file, or - for the standard input"))
			}
			pushed, err := readState(env, args[0])
			if err != nil {
				return printError(env, "state push", err)
			}
			return f.edit(ctx, env, "state push", func(store *state.Store) error {
				if err := deploy.Push(ctx, store, pushed, force); err != nil {
					return err
				}
				fmt.Fprintf(env.Stdout, "The state has %d resources now. nxc plan shows how they differ from the configuration.\n", pushed.Len())
				return nil
			})
		},
	}
}

// readState reads a state from a file, or from the standard input.
func readState(env *Env, path string) (*state.State, error) {
	if path == "-" {
		var in bytes.Buffer
		if _, err := in.ReadFrom(env.Stdin); err != nil {
			return nil, err
		}
		return state.Decode("standard input", in.Bytes())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return state.Decode(path, data)
}

func stateReplaceProviderCommand(env *Env) *command {
	var f editFlags
	return &command{
		synopsis: "Let objects belong to another provider configuration",
		usage:    "[flags] FROM TO",
		help: `
Changes which provider configuration the state's objects belong to, when the
configuration names it differently now. Nothing outside changes; both must
point at the same place.

Example:
  nxc state replace-provider docker docker.lab2`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if len(args) != 2 {
				return printError(env, "state replace-provider", errors.New("name two provider configurations, such as docker and docker.lab2"))
			}
			return f.edit(ctx, env, "state replace-provider", func(store *state.Store) error {
				n, err := deploy.ReplaceProvider(ctx, store, args[0], args[1])
				if err != nil {
					return err
				}
				fmt.Fprintf(env.Stdout, "%d objects belong to %s now.\n", n, args[1])
				return nil
			})
		},
	}
}

func taintCommand(env *Env) *command {
	return taintingCommand(env, "taint", true, &command{
		synopsis: "Have an object replaced by the next apply",
		usage:    "[flags] ADDRESS...",
		help: `
Marks objects in the state, so that the next apply replaces them. For once,
nxc apply -replace ADDRESS does the same without a mark. The address of a block
with count or for_each means all that it has made.

Examples:
  nxc taint docker_container.node
  nxc taint webserver::docker/client1`,
	})
}

func untaintCommand(env *Env) *command {
	return taintingCommand(env, "untaint", false, &command{
		synopsis: "Take a taint back",
		usage:    "[flags] ADDRESS...",
		help: `
Removes the mark that nxc taint made.

Example:
  nxc untaint docker_container.node`,
	})
}

func taintingCommand(env *Env, name string, taint bool, c *command) *command {
	var f editFlags
	c.flags = f.register
	c.run = func(ctx context.Context, args []string) int {
		if len(args) == 0 {
			return printError(env, name, errors.New("name at least one address; nxc state list shows them"))
		}
		return f.edit(ctx, env, name, func(store *state.Store) error {
			snapshot, err := store.Load(ctx)
			if err != nil {
				return err
			}
			var list []addr.Instance
			for _, text := range args {
				a, err := targetAddress(snapshot.State, text)
				if err != nil {
					return err
				}
				list = append(list, a)
			}
			tainted, err := deploy.Taint(ctx, store, list, taint)
			if err != nil {
				return err
			}
			for _, a := range tainted {
				if taint {
					fmt.Fprintf(env.Stdout, "%s will be replaced by the next apply.\n", a)
				} else {
					fmt.Fprintf(env.Stdout, "%s stays.\n", a)
				}
			}
			return nil
		})
	}
	return c
}
