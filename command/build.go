package command

import (
	"context"
	"errors"
	"flag"

	"github.com/nixos-compose/nxc/deploy"
)

func buildCommand(env *Env) *command {
	var f projectFlags
	var o deploy.BuildOptions
	return &command{
		synopsis: "Build what a deployment consists of, without applying it",
		usage:    "[flags]",
		help: `
Builds the systems of all roles that have nodes, and what else the flavour
needs, and prints their store paths. Nothing is started and nothing recorded.

With -out, it also writes what the flavour contributes: flavour docker a
compose.yaml, with which stock Docker Compose brings up the same environment.
Links in DIR/gcroots keep the store paths while the folder is there. Several
deployments get a folder each below DIR.

Examples:
  nxc build
  nxc build -flavour docker -out compose && cd compose && docker-compose up
  nxc build -dry-run -json`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.StringVar(&o.Out, "out", "", "write the flavour's files into `DIR`")
			fs.BoolVar(&o.DryRun, "dry-run", false, "evaluate, and only say what would be built and written")
		},
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "build", args); bad {
				return status
			}
			soft, _, stop := interruptible(ctx, func(int) {})
			defer stop()
			return f.open(soft, env, "build", func(p opened) int { return p.build(soft, o) })
		},
	}
}

// build plans, to know what a deployment consists of, and builds that.
func (p opened) build(ctx context.Context, o deploy.BuildOptions) int {
	planned, diags := p.Plan(ctx, deploy.PlanOptions{Look: true})
	p.view.Diagnostics(diags)
	if ctx.Err() != nil {
		return exitInterrupted
	}
	if diags.HasErrors() {
		return exitError
	}
	if len(planned.Deployments) == 0 {
		return p.fail("There is nothing to build", errors.New("the configuration has no composition that is selected; -flavour chooses"))
	}
	built, diags := p.Build(ctx, planned, o)
	p.view.Diagnostics(diags)
	if ctx.Err() != nil {
		return exitInterrupted
	}
	if diags.HasErrors() {
		return exitError
	}
	p.view.Built(built, o.DryRun)
	if root := p.StoreRoot(); root != "" && len(built) > 0 {
		p.view.Note("These store paths lie below " + root + ".")
	}
	for _, b := range built {
		if o.Out != "" && len(b.Files) == 0 {
			p.view.Note("The flavour of " + b.Deployment.String() + " contributes no files.")
		}
	}
	return exitOK
}
