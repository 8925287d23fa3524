package command

import (
	"context"

	"github.com/nixos-compose/nxc/deploy"
)

func destroyCommand(env *Env) *command {
	var f applyFlags
	return &command{
		synopsis: "Remove everything that exists",
		usage:    "[flags]",
		help: `
Lists everything that the state knows, asks, and removes it: containers,
networks, files. Without -flavour that is everything; with it, the named
deployments. The configuration's expressions are not evaluated, so a
composition that is broken can be destroyed.

Examples:
  nxc destroy
  nxc destroy -flavour docker -auto-approve`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "destroy", args); bad {
				return status
			}
			return f.run(ctx, env, "destroy", func() (deploy.PlanOptions, error) {
				return deploy.PlanOptions{Destroy: true}, nil
			})
		},
	}
}
