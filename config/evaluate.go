package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// evaluate returns the value of an expression. Mistakes that concern a
// reference are explained better than the expression itself can.
func evaluate(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	value, diags := expr.Value(ctx)
	if !diags.HasErrors() {
		return value, diags
	}
	for _, t := range expr.Variables() {
		explained := explain(t, ctx)
		if explained == nil {
			continue
		}
		for i, diag := range diags {
			if diag.Subject != nil && *diag.Subject == *explained.Subject {
				explained.Expression, explained.EvalContext = diag.Expression, diag.EvalContext
				diags[i] = explained
			}
		}
	}
	return value, diags
}

// explain walks a traversal and says at which step it fails, and what was
// probably meant. It returns nil when the traversal succeeds, or when there is
// nothing better to say.
func explain(t hcl.Traversal, ctx *hcl.EvalContext) *hcl.Diagnostic {
	value, diags := t[:1].TraverseAbs(ctx)
	for i := 1; i < len(t) && !diags.HasErrors(); i++ {
		var next cty.Value
		next, diags = t[i].TraversalStep(value)
		if diags.HasErrors() {
			return explainStep(t, i, value)
		}
		value = next
	}
	return nil
}

// explainStep says why step i of a traversal fails on value.
func explainStep(t hcl.Traversal, i int, value cty.Value) *hcl.Diagnostic {
	value, _ = value.Unmark()
	if value.IsNull() {
		return errorAt(t[i].SourceRange(), "Nothing there", "%s is null, so it has no %s.", spell(t[:i]), stepText(t[i]))
	}
	if index, ok := t[i].(hcl.TraverseIndex); ok && index.Key.Type() == cty.Number {
		return explainIndex(t, i, value)
	}
	known := keysOf(value)
	name := stepName(t[i])
	if known == nil || name == "" {
		return nil
	}
	has := "others"
	if len(known) <= 20 {
		has = listedOrNothing(known)
	}
	return errorAt(t[i].SourceRange(), "Unknown attribute", "%s has no %s; it has %s.%s", spell(t[:i]), stepText(t[i]), has, DidYouMean(name, known))
}

// explainIndex says why a list has no element with a number.
func explainIndex(t hcl.Traversal, i int, value cty.Value) *hcl.Diagnostic {
	if !value.IsKnown() || !(value.Type().IsTupleType() || value.Type().IsListType()) {
		return nil
	}
	has := "it is empty"
	switch n := value.LengthInt(); {
	case n == 1:
		has = "it has one, [0]"
	case n > 1:
		has = fmt.Sprintf("it has %d, from [0] to [%d]", n, n-1)
	}
	return errorAt(t[i].SourceRange(), "No such element", "%s has no %s; %s.", spell(t[:i]), stepText(t[i]), has)
}

// stepName returns the name or string key of a step, or "".
func stepName(step hcl.Traverser) string {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull() {
			return step.Key.AsString()
		}
	}
	return ""
}

// stepText spells a step for a sentence.
func stepText(step hcl.Traverser) string {
	if _, index := step.(hcl.TraverseIndex); index {
		return "element " + spell(hcl.Traversal{step})
	}
	return "attribute \"" + stepName(step) + "\""
}

// keysOf lists the attributes or keys of an object or map, nil for others.
func keysOf(value cty.Value) []string {
	names := []string{}
	switch {
	case value.Type().IsObjectType():
		for name := range value.Type().AttributeTypes() {
			names = append(names, name)
		}
	case value.Type().IsMapType() && value.IsKnown():
		for key := range value.Elements() {
			names = append(names, key.AsString())
		}
	default:
		return nil
	}
	slices.Sort(names)
	return names
}
