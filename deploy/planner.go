package deploy

import (
	"context"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
)

// types gives the planner the providers' types.
type types struct {
	p *Project

	mu    sync.Mutex
	known map[typeKey]*plan.Type
}

type typeKey struct {
	provider, name string
	data           bool
}

var _ plan.Types = (*types)(nil)

// Resource describes a managed type.
func (t *types) Resource(configuration, name string) (*plan.Type, bool) {
	return t.get(typeKey{providerName(configuration), name, false})
}

// Data describes a data source.
func (t *types) Data(configuration, name string) (*plan.Type, bool) {
	return t.get(typeKey{providerName(configuration), name, true})
}

func (t *types) get(k typeKey) (*plan.Type, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found, ok := t.known[k]; ok {
		return found, found != nil
	}
	found := t.load(k)
	if t.known == nil {
		t.known = map[typeKey]*plan.Type{}
	}
	t.known[k] = found
	return found, found != nil
}

func (t *types) load(k typeKey) *plan.Type {
	schema, diags := t.p.providers.schema(context.Background(), k.provider)
	if diags.HasErrors() {
		return nil
	}
	if k.data {
		if d := schema.Data[k.name]; d != nil {
			return &plan.Type{Block: &d.Block}
		}
		return nil
	}
	if r := schema.Resources[k.name]; r != nil {
		return &plan.Type{Block: &r.Block, Node: r.Node, CustomPlan: r.CustomPlan}
	}
	return nil
}

// planner asks providers on the planner's behalf, starting them when needed.
type planner struct {
	p *Project
	s *source // nil when nothing is desired
}

var _ plan.Planner = (*planner)(nil)

// Refine asks one provider about its proposals.
func (pl *planner) Refine(ctx context.Context, ps []plan.Proposal) ([]plan.Refined, []plan.Problem) {
	if len(ps) == 0 {
		return nil, nil
	}
	running, diags := pl.provider(ctx, ps[0].Provider)
	if diags.HasErrors() {
		return nil, problems(ps[0].Addr, diags)
	}
	requests := make([]plugins.PlanRequest, len(ps))
	for i := range ps {
		requests[i] = plugins.PlanRequest{
			Type: ps[i].Type, Operation: pl.p.operation(ps[i].Addr, ps[i].Attempt),
			Prior: ps[i].Prior, Proposed: ps[i].Proposed, Config: ps[i].Config,
		}
	}
	out := make([]plan.Refined, len(ps))
	var found []plan.Problem
	pd := running.Plan(ctx, requests, func(i int, r plugins.PlanResult) {
		found = append(found, pl.p.pluginProblems(ps[i].Addr, r.Diagnostics)...)
		out[i].Planned = r.Planned
		for _, why := range r.Replace {
			out[i].Replace = append(out[i].Replace, plan.Reason{Path: why.Path, Text: why.Reason})
		}
	})
	return out, append(found, pl.p.pluginProblems(ps[0].Addr, pd)...)
}

// ReadData reads a data source.
func (pl *planner) ReadData(ctx context.Context, a addr.Instance, configuration, typ string, config cty.Value) (cty.Value, []plan.Problem) {
	running, diags := pl.provider(ctx, configuration)
	if diags.HasErrors() {
		return cty.NilVal, problems(addr.Instance{}, diags)
	}
	pl.p.o.Events.Step("Reading " + a.String())
	plain, _ := config.UnmarkDeep()
	v, pd := running.ReadData(ctx, plugins.ReadDataRequest{Type: typ, Config: plain, Address: a.String()})
	return v, pl.p.pluginProblems(addr.Instance{}, pd)
}

func (pl *planner) provider(ctx context.Context, configuration string) (*provider, hcl.Diagnostics) {
	if running, ok := pl.p.providers.get(configuration); ok {
		return running, nil
	}
	return pl.p.configure(ctx, configuration, pl.p.evaluatorOf(pl.s))
}
