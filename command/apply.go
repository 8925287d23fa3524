package command

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
)

func applyCommand(env *Env) *command {
	var f applyFlags
	var replace stringList
	return &command{
		synopsis: "Create and change what the configuration describes",
		usage:    "[flags] [FILE]",
		help: `
Plans, asks, builds everything, and then makes the changes, in parallel and in
order. What was done is remembered in nxc.state.json.

The first failure stops only what depends on it. Ctrl-C finishes what runs,
saves, and ends; a second Ctrl-C gives up at once.

With a FILE, which "nxc plan -out FILE" saved, it carries out that plan and
does not ask. It plans again, and does nothing when the state, the
configuration or what is outside is not as it was.

Examples:
  nxc apply
  nxc apply -flavour vm-ramdisk
  nxc apply lab.plan
  nxc apply -auto-approve -json`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.Var(&replace, "replace", "replace the object at this `ADDRESS`; may be given several times")
		},
		run: func(ctx context.Context, args []string) int {
			if status, bad := f.takeSaved(env, args, len(replace) > 0); bad {
				return status
			}
			return f.run(ctx, env, "apply", func() (deploy.PlanOptions, error) {
				addresses, err := addressesOf(replace)
				return deploy.PlanOptions{Replace: addresses}, err
			})
		},
	}
}

// applyFlags are what apply and destroy share.
type applyFlags struct {
	projectFlags
	autoApprove bool
	parallelism int
}

func (f *applyFlags) register(fs *flag.FlagSet) {
	f.projectFlags.register(fs)
	fs.BoolVar(&f.autoApprove, "auto-approve", false, "do not ask")
	fs.IntVar(&f.parallelism, "parallelism", 10, "do so `MANY` things at one time")
}

// run plans, asks and applies.
func (f *applyFlags) run(ctx context.Context, env *Env, name string, options func() (deploy.PlanOptions, error)) int {
	var say atomic.Pointer[view.View] // set once there is something to finish
	soft, hard, stop := interruptible(ctx, func(times int) {
		v := say.Load()
		switch {
		case v == nil:
		case times == 1:
			(*v).Note("Interrupted: finishing what runs. Press Ctrl-C again to give up at once.")
		case times == 2:
			(*v).Note("Giving up. What was under way is found again by the next command.")
		}
	})
	defer stop()
	if f.parallelism < 1 {
		fmt.Fprintf(env.Stderr, "nxc %s: -parallelism is at least 1\n", name)
		return exitError
	}
	f.all = name == "destroy"
	return f.open(soft, env, name, func(p opened) int {
		o, err := options()
		if err != nil {
			return p.fail("Cannot read -replace", err)
		}
		planned, diags := p.planOr(soft, f.saved, o)
		if soft.Err() != nil {
			return p.interrupted()
		}
		p.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		p.view.Plan(planned)
		if planned.HasChanges() && !f.autoApprove && f.saved == nil {
			if !env.Interactive || f.json {
				return p.fail("Nobody can be asked", fmt.Errorf("the plan was not approved: stdin is no terminal; use -auto-approve"))
			}
			if !confirm(soft, env, question(planned.Destroy)) {
				if soft.Err() != nil {
					return p.interrupted()
				}
				p.view.Note("Nothing was changed.")
				return exitError
			}
		}
		say.Store(&p.view)
		applied, diags := p.Apply(soft, planned, deploy.ApplyOptions{Hard: hard, Parallelism: f.parallelism})
		if applied == nil && soft.Err() != nil {
			return p.interrupted()
		}
		p.view.Diagnostics(diags)
		p.lastResort(env, diags)
		if applied != nil {
			p.view.Applied(applied)
		}
		if pinned, err := f.plugins.pin(hard, p.Started()); err != nil {
			return p.fail("The plugins could not be pinned", err)
		} else if len(pinned) > 0 {
			p.view.Note("Pinned in .nxc.lock.hcl: " + strings.Join(pinned, ", ") + ". Commit it with the configuration.")
		}
		switch {
		case applied != nil && applied.Interrupted:
			return exitInterrupted
		case diags.HasErrors() || applied != nil && applied.Failed:
			return exitError
		}
		return exitOK
	})
}

func question(destroy bool) string {
	if destroy {
		return "Destroy all of this? There is no undo."
	}
	return "Make these changes?"
}

func addressesOf(list []string) ([]addr.Instance, error) {
	var out []addr.Instance
	for _, s := range list {
		a, err := addr.Parse(s)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}
