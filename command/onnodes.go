package command

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
)

// onNodes finds nodes and does something with them. None named means all nodes
// of the only deployment that runs, or of the selected one.
func (f *projectFlags) onNodes(ctx context.Context, env *Env, name string, targets []string, do func(context.Context, opened, []*deploy.RunningNode) hcl.Diagnostics) int {
	f.all = true
	soft, _, stop := interruptible(ctx, func(int) {})
	defer stop()
	return f.open(soft, env, name, func(o opened) int {
		nodes, diags := o.RunningNodes(soft, targets)
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		diags = do(soft, o, nodes)
		if soft.Err() != nil {
			return exitInterrupted
		}
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		return exitOK
	})
}
