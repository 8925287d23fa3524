package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
)

// Output evaluates an output. selected is the deployment that it is kept for,
// which o.Composition asks for; nil for an output of the top level.
func (e *Evaluator) Output(o *Output, selected *addr.Deployment) (cty.Value, hcl.Diagnostics) {
	scope, diags := e.collect(e.config.references[entity{kind: outputEntity, name: o.Name}], selected)
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

// Preconditions checks the preconditions of one instance, before it is changed.
func (e *Evaluator) Preconditions(r *Resource, x Expansion, key addr.Key) hcl.Diagnostics {
	return e.conditions(r, x, key, r.Lifecycle.Preconditions, cty.NilVal)
}

// Postconditions checks the postconditions of one instance, whose object is self.
func (e *Evaluator) Postconditions(r *Resource, x Expansion, key addr.Key, self cty.Value) hcl.Diagnostics {
	return e.conditions(r, x, key, r.Lifecycle.Postconditions, self)
}

func (e *Evaluator) conditions(r *Resource, x Expansion, key addr.Key, conditions []Condition, self cty.Value) hcl.Diagnostics {
	if len(conditions) == 0 {
		return nil
	}
	s, diags := e.scope(entity{kind: blockEntity, block: r.Addr})
	if diags.HasErrors() {
		return diags
	}
	if s, diags = e.instanceScope(r, x, key, s); diags.HasErrors() {
		return diags
	}
	ctx := s.NewChild()
	ctx.Variables = map[string]cty.Value{}
	if self != cty.NilVal {
		ctx.Variables["self"] = self
	}
	instance := r.Addr
	instance.Key = key
	for _, condition := range conditions {
		diags = append(diags, condition.check(ctx, "Condition of "+instance.String(), condition.Condition.Range())...)
	}
	return diags
}
