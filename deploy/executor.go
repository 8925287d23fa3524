package deploy

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/plugins"
)

// executor hands operations to providers.
type executor struct {
	planner
	nodes   map[addr.Instance]nodeOf
	planned *Planned

	mu      sync.Mutex
	digests map[addr.Instance]string // of the contexts that nodes were given
}

type nodeOf struct {
	deployment *Deployment
	node       *Node
}

var _ apply.Executor = (*executor)(nil)

func newExecutor(p *Project, planned *Planned) *executor {
	x := &executor{
		planner: planner{p: p, s: planned.source}, planned: planned,
		nodes: map[addr.Instance]nodeOf{}, digests: map[addr.Instance]string{},
	}
	for _, d := range planned.Deployments {
		for i := range d.Nodes {
			x.nodes[d.Nodes[i].Addr] = nodeOf{d, &d.Nodes[i]}
		}
		if recorded := p.recorded.Deployment(d.Name); recorded != nil {
			for _, n := range recorded.Nodes {
				x.digests[n.Resource] = n.Context
			}
		}
	}
	return x
}

// Apply carries out one operation.
func (x *executor) Apply(ctx context.Context, op apply.Operation, progress func(apply.Progress)) (cty.Value, []plan.Problem) {
	a := op.Change.Addr
	running, diags := x.provider(ctx, op.Change.Provider)
	if diags.HasErrors() {
		return op.Prior, problems(a, diags)
	}
	request := plugins.ApplyRequest{
		Type: op.Change.Type, Operation: x.p.operation(a, op.Attempt),
		Action: actionOf(op.Step), Prior: op.Prior, Planned: op.Planned,
	}
	request.Operation.Timeout = x.p.timeout(a, running.schema.Resources[op.Change.Type], op.Step)
	if found := x.context(op, &request); len(found) > 0 {
		return op.Prior, found
	}
	result := running.Apply(ctx, request, func(p plugins.Progress) {
		progress(apply.Progress{Phase: p.Phase, Done: p.Done, Expected: p.Expected, Unit: p.Unit, Log: p.Log, Note: p.Note, Idle: p.Idle})
	})
	if request.Context != nil && !result.Diagnostics.HasErrors() {
		x.mu.Lock()
		x.digests[a] = request.Context.Digest
		x.mu.Unlock()
	}
	if result.Lost { // the operation stays open in the record, for Find
		return cty.NilVal, x.p.pluginProblems(a, result.Diagnostics)
	}
	return result.Object, x.p.pluginProblems(a, result.Diagnostics)
}

// context gives a node that is about to be created what it is to know.
func (x *executor) context(op apply.Operation, request *plugins.ApplyRequest) []plan.Problem {
	n, ok := x.nodes[op.Change.Addr]
	if !ok || op.Step != apply.Create {
		return nil
	}
	c, _ := contextsOf(n.deployment, func(a addr.Instance) cty.Value {
		if change := changeOf(x.planned.Plan, a); change != nil {
			return change.After
		}
		return cty.NilVal
	})
	built, err := c.whole(n.node.Name, op.Attempt)
	if err != nil {
		return []plan.Problem{{Addr: op.Change.Addr, Summary: "The node's context cannot be made", Detail: err.Error() + "."}}
	}
	request.Context = built
	return nil
}

func actionOf(s apply.Step) plugins.Action {
	switch s {
	case apply.Create:
		return plugins.Create
	case apply.Update:
		return plugins.Update
	default:
		return plugins.Delete
	}
}

// timeout returns how long an operation may take: what the resource's block
// says, or else its type, or else the default.
func (p *Project) timeout(a addr.Instance, t *plugins.ResourceType, s apply.Step) time.Duration {
	if r := p.Config.Resource(a); r != nil {
		said := &plugins.ResourceType{Timeouts: plugins.Timeouts{Create: r.Timeouts.Create, Update: r.Timeouts.Update, Delete: r.Timeouts.Delete}}
		if bound := timeoutOf(said, s); bound > 0 {
			return bound
		}
	}
	return cmp.Or(timeoutOf(t, s), plugins.DefaultTimeout)
}

func timeoutOf(t *plugins.ResourceType, s apply.Step) time.Duration {
	if t == nil {
		return 0
	}
	switch s {
	case apply.Create:
		return t.Timeouts.Create
	case apply.Update:
		return t.Timeouts.Update
	default:
		return t.Timeouts.Delete
	}
}
