package deploy

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/state"
)

// plannedOutputs compares the outputs that a plan will give with the recorded
// ones, for every deployment that takes part.
func (p *Project) plannedOutputs(out *Planned) ([]OutputChange, hcl.Diagnostics) {
	if out.Destroy {
		return p.droppedOutputs(), nil
	}
	return p.outputs(out.Deployments, out.Plan.Objects, p.recorded)
}

// outputs evaluates every output, for each selected deployment, or once for
// the top level when an output speaks of no deployment.
func (p *Project) outputs(deployments []*Deployment, known plan.Values, recorded *state.State) ([]OutputChange, hcl.Diagnostics) {
	names := make([]string, 0, len(p.Config.Outputs))
	for name := range p.Config.Outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	e := p.evaluatorWith(known)
	var list []OutputChange
	var diags hcl.Diagnostics
	add := func(name string, d *addr.Deployment) {
		v, more := e.Output(p.Config.Outputs[name], d)
		diags = append(diags, more...)
		if more.HasErrors() {
			return
		}
		change := OutputChange{Name: name, After: v}
		if d != nil {
			change.Deployment = *d
		}
		change.Sensitive = p.Config.Outputs[name].Sensitive || marks.IsSensitive(v)
		before, withheld := recordedOutput(recorded, change.Deployment, name)
		if change.Sensitive && withheld && before != cty.NilVal && before.Type().Equals(v.Type()) {
			before = v // its value is not on record, so that nothing of it changes there
		}
		change.Before = before
		list = append(list, change)
	}
	for _, name := range names {
		for _, d := range p.spokenOf(p.Config.Outputs[name].Composition, deployments) {
			add(name, d)
		}
	}
	list = append(list, p.goneOutputs(list, recorded)...)
	slices.SortFunc(list, func(a, b OutputChange) int {
		if c := a.Deployment.Compare(b.Deployment); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list, diags
}

// spokenOf lists the selected deployments of a composition. Where an output or
// a check speaks of none, nil stands for the top level, if that takes part.
func (p *Project) spokenOf(composition string, deployments []*Deployment) []*addr.Deployment {
	var list []*addr.Deployment
	if composition == "" && p.Selection.TopLevel {
		list = append(list, nil)
	}
	for _, d := range deployments {
		if d.Name.Composition == composition {
			list = append(list, &d.Name)
		}
	}
	return list
}

// checks evaluates every check block, wherever an output would be.
func (p *Project) checks(deployments []*Deployment, known plan.Values) hcl.Diagnostics {
	e := p.evaluatorWith(known)
	var diags hcl.Diagnostics
	for _, c := range p.Config.Checks {
		for _, d := range p.spokenOf(c.Composition, deployments) {
			diags = append(diags, e.Check(c, d)...)
		}
	}
	return diags
}

// goneOutputs lists recorded outputs that the configuration no longer has.
func (p *Project) goneOutputs(now []OutputChange, recorded *state.State) []OutputChange {
	var list []OutputChange
	for _, d := range recorded.Deployments() {
		if !p.selected(d.Name) {
			continue
		}
		for _, name := range sortedKeys(d.Outputs) {
			if slices.ContainsFunc(now, func(o OutputChange) bool { return o.Deployment == d.Name && o.Name == name }) {
				continue
			}
			before, sensitive := recordedOutput(recorded, d.Name, name)
			list = append(list, OutputChange{Deployment: d.Name, Name: name, Before: before, Sensitive: sensitive})
		}
	}
	return list
}

// droppedOutputs lists the outputs that a destroy removes.
func (p *Project) droppedOutputs() []OutputChange {
	return p.goneOutputs(nil, p.recorded)
}

func recordedOutput(s *state.State, d addr.Deployment, name string) (v cty.Value, sensitive bool) {
	deployment := s.Deployment(d)
	if deployment == nil {
		return cty.NilVal, false
	}
	o, ok := deployment.Outputs[name]
	if !ok {
		return cty.NilVal, false
	}
	v, err := o.Cty()
	if err != nil {
		return cty.NilVal, o.Sensitive
	}
	return v, o.Sensitive
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func marshal(v cty.Value) ([]byte, error) {
	v, _ = v.UnmarkDeep()
	return ctyjson.Marshal(v, v.Type())
}
