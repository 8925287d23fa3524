package command

import (
	"context"
	"flag"
	"sync"

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

// nodeFlags choose several nodes beside those that are named.
type nodeFlags struct {
	roles    stringList
	all      bool
	parallel int
}

func (f *nodeFlags) register(fs *flag.FlagSet, parallel int) {
	fs.Var(&f.roles, "role", "take all nodes of this `ROLE`; may be given several times")
	fs.BoolVar(&f.all, "all", false, "take all nodes of the deployment")
	fs.IntVar(&f.parallel, "parallel", parallel, "work on so `MANY` nodes at one time; 0: all")
}

// given reports whether the flags choose nodes, so that none has to be named.
func (f *nodeFlags) given() bool { return f.all || len(f.roles) > 0 }

// each calls do for every index below n, so many at one time as parallel says,
// 0 being all. When ctx ends no further call begins.
func each(ctx context.Context, n, parallel int, do func(i int)) {
	if parallel < 1 || parallel > n {
		parallel = n
	}
	free := make(chan struct{}, parallel)
	var all sync.WaitGroup
	defer all.Wait()
	for i := range n {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
		all.Go(func() {
			defer func() { <-free }()
			do(i)
		})
	}
}
