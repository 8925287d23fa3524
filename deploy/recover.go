package deploy

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/state"
)

// A command that was killed leaves operations of which nobody knows how they
// ended. Before anything is planned, their providers are asked what carries
// the deployment's uuid, and the record is brought in line: what was completed
// is taken in, what is half made or half removed is marked so (the plan then
// replaces it), what never came to be is forgotten, and a second object of our
// own is listed as deposed (the plan then deletes it). A plan only asks; an
// apply writes the answers down.

// recover asks what became of the operations that dead commands left open.
func (p *Project) recover(ctx context.Context, e *config.Evaluator) ([]string, hcl.Diagnostics) {
	s := &search{p: p, evaluator: e}
	for _, r := range p.snapshot.Recovered {
		for i := range r.Open {
			if !p.selected(r.Open[i].Address.Deployment) {
				continue
			}
			if diags := s.add(ctx, r, &r.Open[i]); diags.HasErrors() {
				return nil, diags
			}
		}
	}
	if diags := s.run(ctx); diags.HasErrors() {
		return nil, diags
	}
	var notices []string
	for _, r := range p.snapshot.Recovered {
		if r.Verdict == state.Lost {
			if diags := p.awaitSurvivors(ctx, r); diags.HasErrors() {
				return nil, diags
			}
		}
		var list []finding
		for i := range r.Open {
			intent := &r.Open[i]
			if !p.selected(intent.Address.Deployment) {
				continue
			}
			f, diags := p.understand(s, r, intent)
			if diags.HasErrors() {
				return nil, diags
			}
			list = append(list, f)
			p.take(f)
		}
		if text := paragraph(r, list); text != "" {
			notices = append(notices, text)
		}
	}
	return notices, nil
}

// survivorsWait is how long plugins of a dead command may take to end. They
// notice its death by themselves, at once.
const survivorsWait = 30 * time.Second

// awaitSurvivors returns when the plugins of a dead command are gone: until
// then they may go on making things.
func (p *Project) awaitSurvivors(ctx context.Context, r *state.Recovery) hcl.Diagnostics {
	if host, err := os.Hostname(); err != nil || r.Command.Host != host || r.Command.PID <= 0 {
		return nil // elsewhere: what it may still do there is bounded by the types' windows
	}
	deadline := time.Now().Add(survivorsWait)
	for told := false; ; told = true {
		left := p.o.Plugins.Survivors(r.Command.PID)
		if len(left) == 0 {
			return nil
		}
		if !told {
			p.o.Events.Waits(fmt.Sprintf("Waiting for the providers of %s (pid %d), which was killed, to end", r.Command.Command, r.Command.PID))
		}
		if !time.Now().Before(deadline) {
			return hcl.Diagnostics{errorf("Providers of a killed command still run",
				"%s (pid %d) is gone, and its processes %s are not, which may go on changing things. End them with kill -9, then run the command again.",
				r.Command.Command, r.Command.PID, strings.Trim(fmt.Sprint(left), "[]"))}
		}
		select {
		case <-ctx.Done():
			return hcl.Diagnostics{errorf("Interrupted", "The providers of %s, which was killed, had not ended yet. Nothing was changed.", r.Command.Command)}
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// take puts a finding into the state that is planned from.
func (p *Project) take(f finding) {
	if len(p.findings) == 0 {
		p.recorded = p.recorded.Clone()
	}
	p.findings = append(p.findings, f)
	if f.resource == nil {
		p.recorded.RemoveResource(f.intent.Address)
		return
	}
	if record, changed := f.deployment(p.recorded.Deployment(f.intent.Address.Deployment)); changed {
		p.recorded.SetDeployment(record)
	}
	if uuid := p.recorded.Deployment(f.intent.Address.Deployment).UUID; uuid != f.intent.UUID {
		if p.strays == nil {
			p.strays = map[string]string{}
		}
		p.strays[f.intent.Attempt] = f.intent.UUID
	}
	p.recorded.SetResource(f.resource)
}

// settle writes the findings down, and then what the configuration rearranges,
// at the beginning of an apply.
func (r *run) settle() hcl.Diagnostics {
	for _, f := range r.p.findings {
		if f.resource != nil {
			if record, changed := f.deployment(r.session.Deployment(f.intent.Address.Deployment)); changed {
				if err := r.session.SetDeployment(record); err != nil {
					return hcl.Diagnostics{stateDiagnostic(err)}
				}
			}
		}
		err := r.session.Result(state.Result{Address: f.intent.Address, Attempt: f.intent.Attempt, Resource: f.resource})
		if err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
	}
	for i := range r.p.edits {
		if err := r.p.edits[i].in(r.session); err != nil {
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
	if r.Verdict == state.OtherBase {
		text += " Its journal does not say how the state came to be what it is now, so all that it set out to do is looked for."
	}
	if r.Results > 0 {
		text += fmt.Sprintf(" %s done before that %s.", plural(r.Results, "step"), areKept(r.Results))
	}
	var parts []string
	for _, o := range outcomes {
		if n := counts[o.what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.say(n)))
		}
	}
	if len(parts) > 0 {
		text += fmt.Sprintf(" Of %s under way, %s.", plural(len(list), "operation"), strings.Join(parts, ", "))
	}
	return text
}

// said is what a user reads of an outcome, of one operation and of several.
type said struct {
	what      outcome
	one, many string
}

var outcomes = [...]said{
	{completed, "was completed and is taken in", "were completed and are taken in"},
	{halfMade, "is half made and will be replaced", "are half made and will be replaced"},
	{notRemoved, "was being removed and is still there", "were being removed and are still there"},
	{neverMade, "never came to be, or is gone", "never came to be, or are gone"},
	{second, "is a second one and will be removed", "are second ones and will be removed"},
}

func (o said) say(n int) string {
	if n == 1 {
		return o.one
	}
	return o.many
}

func areKept(n int) string {
	if n == 1 {
		return "is kept"
	}
	return "are kept"
}
