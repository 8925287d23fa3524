package deploy

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/state"
)

// ApplyOptions say how a plan is carried out.
type ApplyOptions struct {
	Hard        context.Context // what runs is given up when it ends
	Parallelism int
}

// Applied is what came of an apply.
type Applied struct {
	Destroy                               bool
	Created, Replaced, Changed, Destroyed int
	Interrupted, Failed                   bool
	GaveUp                                bool             // interrupted, and what ran was not waited for
	Unsaved                               *state.SaveError // why the state file does not say what was done, and where that is
	Outputs                               []OutputChange
}

// Several reports whether the outputs speak of more than one deployment.
func (a *Applied) Several() bool {
	return slices.ContainsFunc(a.Outputs, func(o OutputChange) bool { return o.Deployment != a.Outputs[0].Deployment })
}

// Apply carries out a plan. Everything is built before the first object is
// touched; every step is recorded before and after it is made.
func (p *Project) Apply(ctx context.Context, planned *Planned, o ApplyOptions) (*Applied, hcl.Diagnostics) {
	if !planned.HasChanges() && !p.recordsDiffer(planned) {
		if err := p.Store.TakeBack(p.snapshot.Ownership, p.snapshot.State.Lineage); err != nil {
			return nil, hcl.Diagnostics{stateDiagnostic(err)}
		}
		for _, d := range planned.Deployments {
			p.keepFiles(p.recorded.Deployment(d.Name), d)
		}
		return &Applied{Destroy: planned.Destroy, Outputs: present(planned.Outputs)}, nil
	}
	hard := o.Hard
	if hard == nil {
		hard = context.WithoutCancel(ctx)
	}
	if diags := p.realise(ctx, planned); diags.HasErrors() {
		return nil, diags
	}
	touched := p.touched(planned)
	session, err := p.Store.Begin(ctx, state.BeginOptions{
		Change: touched, Read: p.readOnly(planned, touched),
		Lazy: o.Parallelism != 1, // one step after the other leaves a record of one step after the other
	})
	if err != nil {
		return nil, hcl.Diagnostics{stateDiagnostic(err)}
	}
	// Another command may have begun the state meanwhile: then the providers
	// here were given the folders of a lineage that never came to be.
	if session.Base().Lineage != p.snapshot.State.Lineage || !maps.Equal(session.Base().Hashes(touched), p.snapshot.State.Hashes(touched)) {
		session.Abort()
		return nil, hcl.Diagnostics{errorf("The state changed since the plan was made", "Another command applied something meanwhile. Nothing was changed: run the command again.")}
	}
	r := &run{p: p, planned: planned, session: session, hard: hard}
	diags := r.begin()
	if diags.HasErrors() {
		return nil, append(diags, r.end()...)
	}
	x := newExecutor(p, planned)
	options := apply.Options{
		Plan: planned.Plan, Types: p.types, Executor: x, Recorder: &recorder{r: r},
		Events: p.o.Events, Parallelism: o.Parallelism, NewAttempt: state.NewAttempt, Hard: hard,
	}
	if planned.source != nil {
		options.Source, options.Check = planned.source, planned.source.postconditions
	}
	listened := p.endTheDeaf(hard)
	result := apply.Run(ctx, options)
	listened()
	applied := &Applied{
		Destroy: planned.Destroy, Interrupted: result.Interrupted, Failed: plan.HasErrors(result.Problems),
		Created: result.Done[plan.Create], Replaced: result.Done[plan.Replace],
		Changed: result.Done[plan.Update], Destroyed: result.Done[plan.Delete],
	}
	if hard.Err() != nil { // each call that was given up says so, in words of its own
		applied.Interrupted, applied.GaveUp = true, true
		result.Problems = slices.DeleteFunc(result.Problems, func(found plan.Problem) bool { return !found.Warning })
	}
	diags = append(diags, p.diagnostics(result.Problems)...)
	diags = append(diags, r.finish(x, &result, applied)...)
	more := r.end()
	for _, d := range more {
		if err, ok := d.Extra.(error); ok {
			errors.As(err, &applied.Unsaved)
		}
	}
	diags = append(diags, more...)
	if err := session.Err(); err != nil && !diags.HasErrors() {
		diags = append(diags, errorf("The record cannot be written", "%s The state was saved all the same.", sentence(err)))
	}
	applied.Failed = applied.Failed || diags.HasErrors()
	return applied, diags
}

// realise builds everything that the plan needs, and keeps it from the
// garbage collector.
func (p *Project) realise(ctx context.Context, planned *Planned) hcl.Diagnostics {
	for _, d := range planned.Deployments {
		if diags := p.realiseInto(ctx, d, p.rootFolder(d.Name), "Nothing was changed: what runs goes on."); diags.HasErrors() {
			return diags
		}
		for _, role := range sortedKeys(d.Evaluation.Roles) {
			r := d.Evaluation.Roles[role]
			if r.Opaque {
				continue
			}
			if err := p.saveManifest(r.System.Path, r.Manifest); err != nil {
				p.o.Logger.Warn("manifest not kept", "role", role, "err", err)
			}
		}
	}
	return nil
}

// neededOutputs lists the systems of roles with nodes, and the artifacts.
func neededOutputs(d *Deployment) []nix.Output {
	var outputs []nix.Output
	for _, role := range sortedKeys(d.Evaluation.Roles) {
		if slices.ContainsFunc(d.Nodes, func(n Node) bool { return n.Role == role }) {
			outputs = append(outputs, d.Evaluation.Roles[role].System)
		}
	}
	for _, name := range sortedKeys(d.Evaluation.Artifacts) {
		if a := d.Evaluation.Artifacts[name]; !a.Later {
			outputs = append(outputs, a.Output)
		}
	}
	return outputs
}

// touched lists the deployments that the plan is about, for locks.
func (p *Project) touched(planned *Planned) []addr.Deployment {
	var list []addr.Deployment
	add := func(d addr.Deployment) {
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	if p.Selection.TopLevel {
		add(addr.Deployment{})
	}
	for _, d := range planned.Deployments {
		add(d.Name)
	}
	for i := range planned.Plan.Changes {
		if planned.Plan.Changes[i].Action != plan.NoOp {
			add(planned.Plan.Changes[i].Addr.Deployment)
		}
	}
	for _, d := range p.recorded.Names() {
		if p.selected(d) {
			add(d)
		}
	}
	for _, f := range p.findings { // also where nothing is left of a deployment
		add(f.intent.Address.Deployment)
	}
	for _, r := range p.snapshot.Recovered {
		for _, d := range r.Command.Deployments {
			if p.settles(d) {
				add(d)
			}
		}
	}
	slices.SortFunc(list, addr.Deployment.Compare)
	return list
}

// settles reports whether this apply deals with what a dead command left of a
// deployment where nothing is on record of it any more: nobody else may come
// to do so. A destroy of everything deals with that of all deployments.
func (p *Project) settles(d addr.Deployment) bool {
	everything := p.o.All && len(p.o.Flavours) == 0
	return p.selected(d) || everything && !slices.Contains(p.recorded.Names(), d)
}

// readOnly lists the deployments that the plan refers to and does not touch:
// they must not change while it is applied.
func (p *Project) readOnly(planned *Planned, touched []addr.Deployment) []addr.Deployment {
	if planned.source == nil {
		return nil
	}
	var list []addr.Deployment
	for _, level := range planned.source.levels {
		for _, block := range level {
			for _, on := range p.Config.Dependencies(block) {
				if !on.Data && !slices.Contains(touched, on.Deployment) && !slices.Contains(list, on.Deployment) {
					list = append(list, on.Deployment)
				}
			}
		}
	}
	slices.SortFunc(list, addr.Deployment.Compare)
	return list
}

// recordsDiffer reports whether an apply without changes would still record
// something: drift that was accepted, or what a command that died had done.
func (p *Project) recordsDiffer(planned *Planned) bool {
	return len(planned.Plan.Drift) > 0 || len(p.snapshot.Recovered) > 0 || p.snapshot.Untidy() || len(p.edits) > 0
}

func present(list []OutputChange) []OutputChange {
	return slices.DeleteFunc(slices.Clone(list), func(o OutputChange) bool { return o.After == cty.NilVal })
}
