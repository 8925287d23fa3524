package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
)

// Output evaluates an output. selected is the deployment that it is kept for,
// which o.Composition asks for; nil for an output of the top level. What its
// preconditions demand must hold, as far as it is known.
func (e *Evaluator) Output(o *Output, selected *addr.Deployment) (cty.Value, hcl.Diagnostics) {
	scope, diags := e.collect(e.config.references[entity{kind: outputEntity, name: o.Name}], inBody, selected)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	for _, condition := range o.Preconditions {
		diags = append(diags, condition.check(scope.EvalContext, "Condition of output "+o.Name, condition.Condition.Range())...)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	value, moreDiags := evaluate(o.Value, scope.EvalContext)
	diags = append(diags, moreDiags...)
	if moreDiags.HasErrors() {
		return cty.DynamicVal, diags
	}
	switch {
	case o.Sensitive:
		return value.Mark(marks.Sensitive), diags
	case marks.IsSensitive(value):
		return cty.DynamicVal, append(diags, errorAt(o.Value.Range(), "Sensitive value",
			"Output %q would show a sensitive value. Set sensitive = true in its block, or wrap what may be known in nonsensitive(…).", o.Name))
	default:
		return value, diags
	}
}
