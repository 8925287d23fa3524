package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/deploy/planfile"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
	"github.com/nixos-compose/nxc/plan"
)

// A saved plan is no program that is carried out later: it is the request, and
// a record of what came of it. To apply it the project plans the same request
// again, by the same means as any apply, and goes on only if what comes out is
// what was saved. So there is one way to apply, and a file from elsewhere can
// make nxc refuse and nothing else.

// Save returns what a file has to say of a plan.
func (p *Project) Save(planned *Planned, o PlanOptions) (*planfile.File, hcl.Diagnostics) {
	f := &planfile.File{
		Format: planfile.Format, Version: p.o.Version, Workspace: p.Store.Workspace(), Hashes: map[string]string{},
		Request: planfile.Request{Destroy: o.Destroy, Flavours: p.o.Flavours},
	}
	if p.snapshot.Found {
		f.Lineage = p.snapshot.State.Lineage
	}
	touched := p.touched(planned)
	for _, d := range slices.Concat(touched, p.readOnly(planned, touched)) {
		f.Hashes[planfile.NameOf(d)] = p.snapshot.State.Hash(d)
	}
	for _, a := range o.Replace {
		f.Request.Replace = append(f.Request.Replace, a.String())
	}
	err := p.saveVariables(&f.Request)
	if err == nil {
		f.Record, err = planned.record()
	}
	if err != nil {
		return nil, hcl.Diagnostics{errorf("The plan cannot be saved", "%s", sentence(err))}
	}
	return f, nil
}

// saveVariables writes down what variables were, but for sensitive ones.
func (p *Project) saveVariables(r *planfile.Request) error {
	for _, name := range sortedKeys(p.inputs) {
		v, declared := p.inputs[name], p.Config.Variables[name]
		if marks.IsSensitive(v) || declared == nil || declared.Sensitive {
			if declared == nil || declared.Required() || !sameValue(v, declared.Default) {
				r.Withheld = append(r.Withheld, name)
			}
			continue
		}
		if !v.IsWhollyKnown() { // a destroy does without it
			continue
		}
		written, err := planfile.NewValue(v)
		if err != nil {
			return fmt.Errorf("var.%s: %w", name, err)
		}
		if r.Variables == nil {
			r.Variables = map[string]json.RawMessage{}
		}
		r.Variables[name] = json.RawMessage("null")
		if written != nil {
			r.Variables[name] = written.JSON
		}
	}
	return nil
}

// inputOptions says where variables get their values from.
func (p *Project) inputOptions() (config.InputOptions, hcl.Diagnostics) {
	o := config.InputOptions{Environ: p.o.Environ, Arguments: p.o.Inputs}
	if p.o.Saved == nil {
		return o, nil
	}
	r := &p.o.Saved.Request
	o.Saved, o.Withheld = map[string]cty.Value{}, r.Withheld
	for _, given := range o.Arguments {
		name, _, _ := strings.Cut(given.Text, "=")
		if _, has := r.Variables[strings.TrimSpace(name)]; has && !given.File {
			return o, hcl.Diagnostics{errorf("A saved plan has its own variables", "-var %s is given, and var.%s has the value that it had when the plan was saved. Leave it out, or plan again.", given.Text, name)}
		}
	}
	if r.Destroy {
		o.Withheld = nil // it is planned without them where they are missing
	}
	for _, name := range slices.Sorted(maps.Keys(r.Variables)) {
		v, err := planfile.FromJSON(r.Variables[name])
		if err != nil {
			return o, hcl.Diagnostics{errorf("The saved plan is broken", "The value of var.%s cannot be read: %v. Plan again.", name, err)}
		}
		o.Saved[name] = v
	}
	return o, nil
}

// PlanSaved plans what a saved plan asks for, and demands that the result is
// the saved one.
func (p *Project) PlanSaved(ctx context.Context) (*Planned, hcl.Diagnostics) {
	f := p.o.Saved
	if diags := p.fits(f); diags.HasErrors() {
		return nil, diags
	}
	o := PlanOptions{Destroy: f.Request.Destroy}
	for _, text := range f.Request.Replace {
		a, err := addr.Parse(text)
		if err != nil {
			return nil, hcl.Diagnostics{errorf("The saved plan is broken", "%s", sentence(err))}
		}
		o.Replace = append(o.Replace, a)
	}
	planned, diags := p.Plan(ctx, o)
	if diags.HasErrors() || ctx.Err() != nil {
		return nil, diags
	}
	now, more := p.Save(planned, o)
	if more.HasErrors() {
		return nil, append(diags, more...)
	}
	lines, err := planfile.Differences(&f.Record, &now.Record)
	if err != nil {
		return nil, append(diags, errorf("The saved plan is broken", "%s", sentence(err)))
	}
	if len(lines) > 0 {
		return nil, append(diags, errorf("What is planned now is not the saved plan", "%s%s\nThe configuration, or what is outside, changed since it was saved. Nothing was changed here: plan again.",
			strings.Join(shorten(lines, 20), "\n"), otherVersion(f.Version, p.o.Version)))
	}
	return planned, diags
}

// fits compares the state with the one that a saved plan was made from.
func (p *Project) fits(f *planfile.File) hcl.Diagnostics {
	again := "Nothing was changed: plan again."
	if f.Workspace != p.Store.Workspace() {
		return hcl.Diagnostics{errorf("The plan was saved in another workspace", "It is one of workspace %s, and this is %s. Apply it there: NXC_WORKSPACE=%s nxc apply FILE.", f.Workspace, p.Store.Workspace(), f.Workspace)}
	}
	if f.Lineage != "" && f.Lineage != p.snapshot.State.Lineage {
		return hcl.Diagnostics{errorf("The plan was saved for another state", "Its lineage is %s, and that of %s is %s. Apply it where it was made.", f.Lineage, filepath.Base(p.Store.Path()), p.snapshot.State.Lineage)}
	}
	var changed []string
	for _, name := range sortedKeys(f.Hashes) {
		var d addr.Deployment
		if name != planfile.Top {
			var err error
			if d, err = addr.ParseDeployment(name); err != nil {
				return hcl.Diagnostics{errorf("The saved plan is broken", "%s", sentence(err))}
			}
		}
		if p.snapshot.State.Hash(d) != f.Hashes[name] {
			changed = append(changed, cmp.Or(d.String(), "the top level"))
		}
	}
	if len(changed) > 0 {
		detail := fmt.Sprintf("What the state says of %s is not what it was when the plan was saved: another command was here since.", strings.Join(changed, ", "))
		for _, c := range p.snapshot.Running {
			detail += fmt.Sprintf(" %s of %s on %s (pid %d) runs now.", c.Command, c.User, c.Host, c.PID)
		}
		for _, r := range p.snapshot.Recovered {
			detail += fmt.Sprintf(" %s of %s on %s was one, and was interrupted.", r.Command.Command, r.Command.User, r.Command.Host)
		}
		return hcl.Diagnostics{errorf("The saved plan is stale", "%s\n%s", detail, again)}
	}
	return nil
}

func otherVersion(saved, now string) string {
	if saved == now {
		return ""
	}
	return fmt.Sprintf("\nIt was saved by nxc %s, and this is nxc %s.", saved, now)
}

// shorten keeps the first lines of many.
func shorten(lines []string, most int) []string {
	out := make([]string, 0, min(len(lines), most)+1)
	for i, line := range lines {
		if i == most {
			return append(out, fmt.Sprintf("  and %d more", len(lines)-most))
		}
		out = append(out, "  "+line)
	}
	return out
}

// record is a plan as a file has it.
func (p *Planned) record() (planfile.Record, error) {
	r := planfile.Record{Rearranges: p.rearranges, Notices: p.Notices}
	var err error
	value := func(v cty.Value) *planfile.Value {
		out, failed := planfile.NewValue(v)
		err = cmp.Or(err, failed)
		return out
	}
	for _, d := range p.Deployments {
		made, failed := p.recordOf(d)
		err = cmp.Or(err, failed)
		r.Deployments = append(r.Deployments, made)
	}
	for i := range p.Plan.Drift {
		d := &p.Plan.Drift[i]
		c := plan.Change{Addr: d.Addr, Provider: d.Provider, Type: d.Type, Before: d.Recorded, After: d.Current}
		before, after := p.Shown(&c)
		r.Drift = append(r.Drift, planfile.Drift{
			Address: d.Addr.String(), Deposed: d.Deposed, Provider: d.Provider, Gone: d.Gone, Recorded: value(before), Current: value(after),
		})
	}
	for i := range p.Plan.Changes {
		c := &p.Plan.Changes[i]
		if c.Action == plan.NoOp {
			continue
		}
		before, after := p.Shown(c)
		saved := planfile.Change{
			Address: c.Addr.String(), Deposed: c.Deposed, Provider: c.Provider, Action: c.Action.String(), CreateFirst: c.CreateBeforeDestroy,
			Before: value(before), After: value(after),
		}
		if c.From.Type != "" {
			saved.From = c.From.String()
		}
		for _, path := range c.Changed {
			saved.Changed = append(saved.Changed, planfile.Path(path))
		}
		for _, reason := range c.Reasons {
			saved.Reasons = append(saved.Reasons, planfile.Reason{Path: planfile.Path(reason.Path), Text: reason.Text})
		}
		r.Changes = append(r.Changes, saved)
	}
	for _, o := range p.Outputs {
		before, after := o.Before, o.After
		if o.Sensitive {
			before, after = hidden(before), hidden(after)
		}
		r.Outputs = append(r.Outputs, planfile.Output{
			Deployment: o.Deployment.String(), Name: o.Name, Sensitive: o.Sensitive, Before: value(before), After: value(after),
		})
	}
	for _, d := range p.Left {
		r.Left = append(r.Left, d.String())
	}
	return r, err
}

// hidden marks a value that is there.
func hidden(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return v
	}
	return v.Mark(marks.Sensitive)
}

// recordOf is a deployment of a plan as a file has it.
func (p *Planned) recordOf(d *Deployment) (planfile.Deployment, error) {
	out := planfile.Deployment{Name: d.Name.String(), Type: d.Flavour, Provider: d.Provider}
	if d.Location.ID != "" || d.Location.Kind != "" {
		out.Location = &planfile.Location{Kind: d.Location.Kind, ID: d.Location.ID, Label: d.Location.Label}
	}
	if filepath.IsLocal(d.sourceName) {
		out.Source = d.sourceName
	}
	if d.Evaluation != nil {
		out.Nixpkgs = &planfile.Nixpkgs{Label: d.Evaluation.Nixpkgs.Label, Revision: d.Evaluation.Nixpkgs.Revision}
		for _, role := range sortedKeys(d.Evaluation.Roles) {
			system := d.Evaluation.Roles[role].System
			out.Roles = append(out.Roles, planfile.Role{Name: role, System: system.Path, Derivation: system.Drv})
		}
	}
	for _, pin := range p.Pins {
		if pin.Deployment == d.Name {
			out.Was = &planfile.Pin{From: pin.Old, To: pin.New}
		}
	}
	for i := range d.Roles {
		told, err := json.Marshal(roleTold{d.Roles[i].Diff, d.Roles[i].Known, d.Roles[i].Opaque, d.Roles[i].Size, d.Roles[i].Closure, d.Roles[i].ClosureKnown})
		if err != nil {
			return out, err
		}
		out.Systems = append(out.Systems, planfile.Changed{Role: d.Roles[i].Role, From: d.Roles[i].Old, To: d.Roles[i].New, Told: told})
	}
	for i := range d.Nodes {
		out.Nodes = append(out.Nodes, planfile.Node{Name: d.Nodes[i].Name, Role: d.Nodes[i].Role, Resource: d.Nodes[i].Addr.String(), Address: d.Nodes[i].Address})
	}
	for _, c := range d.Contexts {
		out.Contexts = append(out.Contexts, planfile.Context{Node: c.Node, What: c.What})
	}
	return out, nil
}
