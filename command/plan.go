package command

import (
	"context"
	"flag"

	"github.com/nixos-compose/nxc/deploy"
)

func planCommand(env *Env) *command {
	var f projectFlags
	var detailed, destroy, build bool
	var replace stringList
	var out string
	return &command{
		synopsis: "Show what would change",
		usage:    "[flags]",
		help: `
Evaluates the configuration, reads what exists, and shows what an apply would
do. It changes nothing, neither here nor anywhere else.

Without -flavour it plans each composition's default flavour, the resources
of the top level, and the removal of deployments whose block is gone.

With -out the plan is saved as well. "nxc apply FILE" carries out exactly this
plan, or nothing when something changed meanwhile; "nxc show FILE" shows it.

Examples:
  nxc plan
  nxc plan -flavour vm-ramdisk -var clients=5
  nxc plan -out lab.plan            to be applied with nxc apply lab.plan
  nxc plan -build                   with the size of every package that differs
  nxc plan -detailed-exitcode -json`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 when there are changes")
			fs.BoolVar(&build, "build", false, "build first, and show what every changed system consists of")
			fs.BoolVar(&destroy, "destroy", false, "show what a destroy would do")
			fs.StringVar(&out, "out", "", "save the plan in this `FILE`, for nxc apply FILE")
			fs.Var(&replace, "replace", "replace the object at this `ADDRESS`; may be given several times")
		},
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "plan", args); bad {
				return status
			}
			soft, _, stop := interruptible(ctx, func(int) {})
			defer stop()
			name := "plan"
			if destroy {
				name = "plan -destroy"
			}
			f.all = destroy
			return f.open(soft, env, name, func(p opened) int {
				addresses, err := addressesOf(replace)
				if err != nil {
					return p.fail("Cannot read -replace", err)
				}
				// A plan that is saved is to be applied, which only the owner can.
				o := deploy.PlanOptions{Destroy: destroy, Replace: addresses, Look: out == ""}
				planned, diags := p.Plan(soft, o)
				if soft.Err() != nil {
					return p.interrupted()
				}
				p.view.Diagnostics(diags)
				if diags.HasErrors() {
					return exitError
				}
				if build {
					more := p.BuildPlanned(soft, planned)
					if soft.Err() != nil {
						return p.interrupted()
					}
					p.view.Diagnostics(more)
					if more.HasErrors() {
						return exitError
					}
				}
				p.view.Plan(planned)
				if out != "" {
					if status := p.savePlan(out, planned, o); status != exitOK {
						return status
					}
				}
				if detailed && planned.HasChanges() {
					return exitChanges
				}
				return exitOK
			})
		},
	}
}
