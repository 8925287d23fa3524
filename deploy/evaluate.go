package deploy

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Evaluated is the value of an expression: for a deployment, if it speaks of the
// selected one.
type Evaluated struct {
	Deployment addr.Deployment
	Value      cty.Value
}

// Evaluate gives the value of an expression, once for each selected deployment
// of the composition that it speaks of. What exists or will exist is asked of
// planned, which is called only when the expression refers to any.
func (p *Project) Evaluate(ctx context.Context, text string, planned func(context.Context) (*Planned, hcl.Diagnostics)) ([]Evaluated, hcl.Diagnostics) {
	diags := p.prepare(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	x, more := p.Config.Expression(text)
	if diags = append(diags, more...); more.HasErrors() {
		return nil, diags
	}
	asked := false
	value, more := p.Config.Evaluator(p.inputs, func(addr.Instance) (cty.Value, bool) {
		asked = true
		return cty.NilVal, false
	}).Expression(x, nil)
	if !asked && x.Composition == "" {
		return []Evaluated{{Value: value}}, append(diags, more...)
	}
	plan, more := planned(ctx)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	e := p.evaluatorWith(plan.Plan.Objects)
	if x.Composition == "" {
		value, more := e.Expression(x, nil)
		return []Evaluated{{Value: value}}, append(diags, more...)
	}
	var list []Evaluated
	for _, d := range p.spokenOf(x.Composition, plan.Deployments) {
		value, more := e.Expression(x, d)
		diags = append(diags, more...)
		list = append(list, Evaluated{*d, value})
	}
	if len(list) == 0 {
		diags = append(diags, errorf("No deployment is selected", "The expression speaks of the selected deployment of %q, and none takes part. Name its flavour in the expression, or with -flavour.", x.Composition))
	}
	return list, diags
}
