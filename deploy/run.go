package deploy

import (
	"context"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/state"
)

// run is one apply under way: the session that records it, and what the
// deployments' records will say when it ends.
type run struct {
	p       *Project
	planned *Planned
	session *state.Session
	hard    context.Context

	once   sync.Once // countBlocks
	blocks map[addr.Instance]bool
}

// begin gives every deployment its record: its uuid, the places that its
// providers point at, and its keys.
func (r *run) begin() hcl.Diagnostics {
	if diags := r.settle(); diags.HasErrors() {
		return diags
	}
	if diags := r.acceptDrift(); diags.HasErrors() {
		return diags
	}
	for _, running := range r.p.providers.all() {
		if err := r.p.makeFolders(running.name); err != nil {
			return hcl.Diagnostics{errorf("A folder of a provider cannot be made", "%s", sentence(err))}
		}
	}
	for _, name := range r.p.touched(r.planned) {
		d := r.planned.deployment(name)
		record := &state.Deployment{Name: name}
		if old := r.session.Deployment(name); old != nil {
			record = old.Copy()
		} else if d == nil && !r.creates(name) && !r.outputs(name) {
			continue
		}
		if record.UUID == "" {
			record.UUID = state.NewUUID()
		}
		if d != nil {
			record.Flavour = d.Flavour
			keys, err := openKeyring(r.p.keyFolder(record.UUID))
			if err != nil {
				return hcl.Diagnostics{errorf("The deployment's keys cannot be made", "%s", sentence(err))}
			}
			d.keys = keys
		}
		if diags := r.recordProviders(record); diags.HasErrors() {
			return diags
		}
		if err := r.session.SetDeployment(record); err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
	}
	r.p.recorded = r.session.State()
	return nil
}

// creates reports whether the plan makes objects in a deployment without record.
func (r *run) creates(name addr.Deployment) bool {
	return slices.ContainsFunc(r.planned.Plan.Changes, func(c plan.Change) bool {
		return c.Addr.Deployment == name && !c.Data && c.Action != plan.NoOp
	})
}

// outputs reports whether the plan gives a deployment outputs; the top level
// may have some and nothing else.
func (r *run) outputs(name addr.Deployment) bool {
	return slices.ContainsFunc(r.planned.Outputs, func(o OutputChange) bool {
		return o.Deployment == name && o.After != cty.NilVal
	})
}

// finish brings contexts and records up to date with what now exists.
func (r *run) finish(x *executor, result *apply.Result, applied *Applied) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if !applied.Interrupted {
		for _, d := range r.planned.Deployments {
			told, more := r.p.deliverContexts(r.hard, d, result.Values, x.digests)
			diags = append(diags, more...)
			for _, a := range told {
				if c := changeOf(r.planned.Plan, a); c == nil || c.Action == plan.NoOp {
					applied.Changed++
				}
			}
		}
	}
	for _, name := range r.p.touched(r.planned) {
		record := r.session.Deployment(name)
		if record == nil {
			continue
		}
		record = record.Copy()
		d := r.planned.deployment(name)
		r.recordNodes(record, d, result.Values, x.digests)
		if d != nil && d.Evaluation != nil {
			record.Pin = &state.Pin{Label: d.Evaluation.Nixpkgs.Label, Revision: d.Evaluation.Nixpkgs.Revision, Hash: d.pinHash}
			if err := record.SetParams(d.Evaluation.Params); err != nil {
				return append(diags, stateDiagnostic(err))
			}
		}
		diags = append(diags, r.recordOutputs(record, result, applied)...)
		if err := r.put(name, record); err != nil {
			return append(diags, stateDiagnostic(err))
		}
		if r.session.Deployment(name) == nil {
			r.p.forgetKeys(record.UUID)
		}
		r.p.prune(record, d)
	}
	if !r.planned.Destroy && !result.Interrupted && !plan.HasErrors(result.Problems) && !diags.HasErrors() {
		diags = append(diags, r.p.checks(r.planned.Deployments, result.Objects)...)
	}
	return diags
}

// end closes the session: the state is written, the locks are freed.
func (r *run) end() hcl.Diagnostics {
	r.p.recorded = r.session.State()
	if err := r.session.End(context.WithoutCancel(r.hard)); err != nil {
		return hcl.Diagnostics{stateDiagnostic(err)}
	}
	return nil
}

func (p *Planned) deployment(name addr.Deployment) *Deployment {
	i := slices.IndexFunc(p.Deployments, func(d *Deployment) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return p.Deployments[i]
}
