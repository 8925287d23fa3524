package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// A command that was killed leaves operations of which nobody knows how they
// ended. Before anything is planned, their providers are asked what carries
// the deployment's uuid, and the record is brought in line: what was completed
// is taken in, what is half made is marked so (the plan then replaces it),
// what never came to be is forgotten, and a second object of our own is listed
// as deposed (the plan then deletes it). A plan only asks; an apply writes the
// answers down.

// finding is what became of one operation of a dead command.
type finding struct {
	intent   state.Intent
	resource *state.Resource // what is at the address, as it will be recorded
	what     outcome
}

type outcome uint8

const (
	completed outcome = iota
	halfMade
	neverMade
	second
)

// recover asks what became of the operations that dead commands left open.
func (p *Project) recover(ctx context.Context, e *config.Evaluator) ([]string, hcl.Diagnostics) {
	var notices []string
	for _, r := range p.snapshot.Recovered {
		var list []finding
		for _, intent := range r.Open {
			if !p.selected(intent.Address.Deployment) {
				continue
			}
			f, diags := p.find(ctx, r, intent, e)
			if diags.HasErrors() {
				return nil, diags
			}
			list = append(list, f)
			p.take(f)
		}
		p.findings = append(p.findings, list...)
		if text := paragraph(r, list); text != "" {
			notices = append(notices, text)
		}
	}
	return notices, nil
}

// take puts a finding into the state that is planned from.
func (p *Project) take(f finding) {
	if len(p.findings) == 0 {
		p.recorded = p.recorded.Clone()
	}
	if f.resource == nil {
		p.recorded.RemoveResource(f.intent.Address)
		return
	}
	p.recorded.SetResource(f.resource)
}

// find asks a provider what became of one operation.
func (p *Project) find(ctx context.Context, r *state.Recovery, intent state.Intent, e *config.Evaluator) (finding, hcl.Diagnostics) {
	f := finding{intent: intent, resource: p.recorded.Resource(intent.Address)}
	running, diags := p.configure(ctx, intent.ProviderName, e)
	if diags.HasErrors() {
		return f, diags
	}
	was := plugins.Location{Kind: intent.Provider.Location.Kind, ID: intent.Provider.Location.ID, Label: intent.Provider.Location.Label}
	if was.Kind != "" && !was.Same(running.location) {
		return f, hcl.Diagnostics{errorf("A command that was interrupted worked at another place",
			"%s worked on %s at %s, and provider %s now points at %s. Point it there again, so that what was left can be found.",
			r.Command.Command, intent.Address, place(was), intent.ProviderName, place(running.location))}
	}
	found, diags := p.ask(ctx, running, intent)
	if diags.HasErrors() {
		return f, diags
	}
	switch {
	case found == nil:
		f.what = neverMade
		f.resource = f.absent()
	case intent.Action == state.Create:
		diags = f.made(running, found, r.Verdict == state.OtherBase)
	}
	return f, diags
}

// ask calls Find, again for as long as a request may still be in flight.
func (p *Project) ask(ctx context.Context, running *provider, intent state.Intent) (*plugins.Found, hcl.Diagnostics) {
	t := running.schema.Resources[intent.Address.Type]
	if t == nil {
		return nil, hcl.Diagnostics{errorf("A type is gone from its provider", "%s: provider %s has no %q any more.", intent.Address, running.name, intent.Address.Type)}
	}
	window := time.Duration(0)
	if intent.Action == state.Create {
		window = t.FindWindow
	}
	deadline := time.Now().Add(window)
	for {
		p.o.Events.Step(fmt.Sprintf("Looking for what became of %s", intent.Address))
		all, pd := running.Find(ctx, plugins.FindRequest{UUID: intent.UUID, Types: []string{intent.Address.Type}})
		if pd.HasErrors() {
			return nil, asHCL(pd, nil)
		}
		i := slices.IndexFunc(all, func(f plugins.Found) bool {
			return f.Address == intent.Address.String() && f.Attempt == intent.Attempt
		})
		if i >= 0 {
			return &all[i], nil
		}
		if !time.Now().Before(deadline) {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, hcl.Diagnostics{errorf("Interrupted", "The search for what became of %s was cut short.", intent.Address)}
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// absent is the record when the operation's object does not exist: without it.
func (f *finding) absent() *state.Resource {
	r := f.resource
	if r == nil {
		return nil
	}
	if r.Exists() && r.Attempt == f.intent.Attempt {
		r = r.Copy()
		r.Incarnation = state.Incarnation{}
	} else {
		r = r.WithoutDeposed(f.intent.Attempt)
	}
	if r != nil && !r.Exists() && len(r.Deposed) == 0 {
		return nil
	}
	return r
}

// made takes in an object whose creation was under way.
func (f *finding) made(running *provider, found *plugins.Found, otherBase bool) hcl.Diagnostics {
	t := running.schema.Resources[f.intent.Address.Type]
	now := *f.intent.Planned
	now.Attempt, now.Status = f.intent.Attempt, state.Ready
	if !found.Complete {
		now.Status, f.what = state.HalfMade, halfMade
	}
	asked, err := f.intent.Planned.Object(t.Block.Type())
	if err != nil {
		return hcl.Diagnostics{errorf("The record of an interrupted command does not fit", "%s: %s", f.intent.Address, sentence(err))}
	}
	secrets := now.Secrets
	if err := now.SetObject(found.Object, state.Split{Computed: decidedByWorld(&t.Block, asked), Sensitive: sensitivePaths(&t.Block)}); err != nil {
		return hcl.Diagnostics{errorf("What was found cannot be recorded", "%s: %s", f.intent.Address, sentence(err))}
	}
	now.Secrets = secrets
	r := f.resource
	switch {
	case r == nil:
		r = &state.Resource{Address: f.intent.Address, Incarnation: now}
	case r.Exists() && r.Attempt == now.Attempt, !r.Exists():
		r = r.Copy()
		r.Incarnation = now
	case otherBase: // the state that was checked out has an object of its own
		r = r.Copy()
		r.Deposed = append(r.Deposed, now)
		f.what = second
	default: // the new one of a replacement that creates before it destroys
		r = r.Depose()
		r.Incarnation = now
	}
	f.resource = r
	return nil
}

// settle writes the findings down, at the beginning of an apply.
func (r *run) settle() hcl.Diagnostics {
	for _, f := range r.p.findings {
		err := r.session.Result(state.Result{Address: f.intent.Address, Attempt: f.intent.Attempt, Resource: f.resource})
		if err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
	}
	return nil
}

// paragraph tells the user, calmly, what happened.
func paragraph(r *state.Recovery, list []finding) string {
	if r.Verdict == state.Lost {
		return fmt.Sprintf("%s, run by %s on %s, did not end, and its journal is not here. What the state knows is read again.",
			r.Command.Command, r.Command.User, r.Command.Host)
	}
	if r.Verdict == state.Finished && len(list) == 0 {
		return ""
	}
	counts := map[outcome]int{}
	for _, f := range list {
		counts[f.what]++
	}
	text := fmt.Sprintf("%s, run by %s on %s, did not end.", r.Command.Command, r.Command.User, r.Command.Host)
	if r.Results > 0 {
		text += fmt.Sprintf(" %s done before that %s.", plural(r.Results, "step"), areKept(r.Results))
	}
	var parts []string
	for _, o := range []struct {
		what outcome
		text string
	}{
		{completed, "was completed and is taken in"}, {halfMade, "is half made and will be replaced"},
		{neverMade, "never came to be, or is gone"}, {second, "is a second one and will be removed"},
	} {
		if n := counts[o.what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.text))
		}
	}
	if len(parts) > 0 {
		text += fmt.Sprintf(" Of %s under way, %s.", plural(len(list), "operation"), strings.Join(parts, ", "))
	}
	return text
}

func areKept(n int) string {
	if n == 1 {
		return "is kept"
	}
	return "are kept"
}
