package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
)

// Postconditions checks the postconditions of one instance, whose object is self.
func (e *Evaluator) Postconditions(r *Resource, x Expansion, key addr.Key, self cty.Value) hcl.Diagnostics {
	if len(r.Lifecycle.Postconditions) == 0 {
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
	ctx.Variables = map[string]cty.Value{"self": self}
	return checkAll(r.Lifecycle.Postconditions, r.Addr, key, ctx)
}

// checkAll checks conditions of one instance.
func checkAll(conditions []Condition, block addr.Instance, key addr.Key, ctx *hcl.EvalContext) hcl.Diagnostics {
	block.Key = key
	var diags hcl.Diagnostics
	for _, condition := range conditions {
		diags = append(diags, condition.check(ctx, "Condition of "+block.String(), condition.Condition.Range())...)
	}
	return diags
}

// check evaluates a condition. One that is not known yet holds for now.
// subject is what is wrong when it does not hold.
func (c Condition) check(ctx *hcl.EvalContext, summary string, subject hcl.Range) hcl.Diagnostics {
	value, diags := evaluate(c.Condition, ctx)
	if diags.HasErrors() {
		return diags
	}
	value, _ = value.Unmark()
	value, err := convert.Convert(value, cty.Bool)
	switch {
	case err != nil || (value.IsKnown() && value.IsNull()):
		return append(diags, errorAt(c.Condition.Range(), "Not a condition", "A condition must be true or false."))
	case !value.IsKnown() || value.True():
		return diags
	}
	message, moreDiags := c.message(ctx)
	diags = append(diags, moreDiags...)
	return append(diags, errorAt(subject, summary, "%s\nThe condition at %s does not hold.", message, place(c.DeclRange)))
}

// message evaluates the error message, which must not disclose anything.
func (c Condition) message(ctx *hcl.EvalContext) (string, hcl.Diagnostics) {
	value, diags := evaluate(c.ErrorMessage, ctx)
	if diags.HasErrors() {
		return "", diags
	}
	if marks.IsSensitive(value) {
		return "The message is not shown, because it would disclose a sensitive value.", diags
	}
	value, err := convert.Convert(value, cty.String)
	if err != nil || !value.IsKnown() || value.IsNull() {
		return "Its message is not known yet.", diags
	}
	return value.AsString(), diags
}
