package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/state"
)

// Reread is what a refresh or a recovery wrote down.
type Reread struct {
	Notices   []string        // what dead commands left, and what became of it
	Unclaimed []addr.Instance // exist, and are in neither the state nor a journal
	Changed   []addr.Instance // differ from the record
	Gone      []addr.Instance
}

// Refresh brings the record in line with what exists: it takes in what dead
// commands left, and what changed outside. It changes nothing but the state.
func (p *Project) Refresh(ctx context.Context) (*Reread, hcl.Diagnostics) {
	return p.reread(ctx, func(e *config.Evaluator, out *Reread) hcl.Diagnostics {
		notices, diags := p.besides(ctx, e)
		if diags.HasErrors() {
			return diags
		}
		out.Notices = append(out.Notices, notices...)
		var more hcl.Diagnostics
		if p.refreshed, more = p.refresh(ctx, e); !more.HasErrors() {
			out.differences(p.refreshed)
		}
		return append(diags, more...)
	})
}

// Recover takes in what dead commands left, and what exists at the addresses
// of take without being on record: those may be of blocks or deployments.
func (p *Project) Recover(ctx context.Context, take []addr.Instance) (*Reread, hcl.Diagnostics) {
	return p.reread(ctx, func(e *config.Evaluator, out *Reread) hcl.Diagnostics {
		list, diags := p.unclaimed(ctx, e)
		if diags.HasErrors() {
			return diags
		}
		rest, more := p.claim(list, take)
		for _, u := range rest {
			out.Unclaimed = append(out.Unclaimed, u.address)
		}
		if text := tellUnclaimed(rest); text != "" {
			out.Notices = append(out.Notices, text)
		}
		if n := len(list) - len(rest); n > 0 {
			out.Notices = append(out.Notices, plural(n, "object")+" taken in.")
		}
		return append(diags, more...)
	})
}

// reread takes in what dead commands left, and looks further.
func (p *Project) reread(ctx context.Context, look func(*config.Evaluator, *Reread) hcl.Diagnostics) (*Reread, hcl.Diagnostics) {
	notices, diags := p.checkOwner()
	if diags.HasErrors() {
		return nil, diags
	}
	more := p.prepare(ctx)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	out := &Reread{Notices: notices}
	if p.restored != "" {
		out.Notices = append(out.Notices, p.restored)
	}
	e := p.evaluatorOf(nil)
	found, more := p.recover(ctx, e)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	out.Notices = append(out.Notices, found...)
	more = look(e, out)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	if len(p.snapshot.Recovered)+len(p.findings)+len(out.Changed)+len(out.Gone) == 0 {
		return out, diags
	}
	return out, append(diags, p.writeDown(ctx)...)
}

func (out *Reread) differences(priors []plan.Prior) {
	for i := range priors {
		prior := &priors[i]
		switch {
		case prior.NotRefreshed:
		case prior.Current.IsNull():
			out.Gone = append(out.Gone, prior.Addr)
		case !prior.Current.RawEquals(prior.Recorded):
			out.Changed = append(out.Changed, prior.Addr)
		}
	}
}

// writeDown records what was found, in a session of its own.
func (p *Project) writeDown(ctx context.Context) hcl.Diagnostics {
	touched := slices.DeleteFunc(p.recorded.Names(), func(d addr.Deployment) bool { return !p.selected(d) })
	for _, f := range p.findings { // also where nothing is left of a deployment
		if d := f.intent.Address.Deployment; !slices.Contains(touched, d) {
			touched = append(touched, d)
		}
	}
	return p.record(ctx, touched, func(r *run) hcl.Diagnostics {
		if diags := r.settle(); diags.HasErrors() {
			return diags
		}
		return r.acceptDrift()
	})
}

// record opens a session, has it filled, and closes it. Deployments that have
// lost their last resource are forgotten.
func (p *Project) record(ctx context.Context, touched []addr.Deployment, fill func(*run) hcl.Diagnostics) hcl.Diagnostics {
	session, err := p.Store.Begin(ctx, state.BeginOptions{Change: touched})
	if err != nil {
		return hcl.Diagnostics{stateDiagnostic(err)}
	}
	if !maps.Equal(session.Base().Hashes(touched), p.snapshot.State.Hashes(touched)) {
		session.Abort()
		return hcl.Diagnostics{errorf("The state changed meanwhile", "Another command applied something. Nothing was changed: run the command again.")}
	}
	r := &run{p: p, planned: &Planned{Plan: &plan.Plan{}, base: p.recorded, p: p}, session: session, hard: context.WithoutCancel(ctx)}
	diags := fill(r)
	now := session.State()
	for _, d := range touched {
		if now.Deployment(d) != nil && len(now.ResourcesOf(d)) == 0 {
			if err := session.RemoveDeployment(d); err != nil {
				diags = append(diags, stateDiagnostic(err))
			}
		}
	}
	return append(diags, r.end()...)
}

// Import takes in an object that exists, by its provider's name for it.
func (p *Project) Import(ctx context.Context, to addr.Instance, id string) hcl.Diagnostics {
	_, diags := p.checkOwner()
	if diags.HasErrors() {
		return diags
	}
	more := p.prepare(ctx)
	diags = append(diags, more...)
	if more.HasErrors() {
		return diags
	}
	if p.recorded.Resource(to) != nil {
		return append(diags, errorf("It exists already", "The state has %s. To manage another object in its place, take it out first: nxc state rm '%s'.", to, to))
	}
	for _, r := range p.snapshot.Recovered {
		if r.Verdict != state.Lost {
			return append(diags, errorf("A command did not end", "%s, run by %s on %s, did not end. Run nxc state recover, or nxc apply, first.", r.Command.Command, r.Command.User, r.Command.Host))
		}
	}
	p.o.Events.Step(fmt.Sprintf("Reading %s", id))
	made, more := p.imported(ctx, to, id, p.evaluatorOf(nil))
	diags = append(diags, more...)
	if more.HasErrors() {
		return diags
	}
	return append(diags, p.record(ctx, []addr.Deployment{to.Deployment}, func(r *run) hcl.Diagnostics {
		if err := made.in(r.session); err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
		return nil
	})...)
}
