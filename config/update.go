package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/marks"
)

// Updates says what a change of their systems does to running nodes.
type Updates struct {
	Switch map[string]bool // roles whose nodes take on another system while they run
	Range  hcl.Range       // where it is written
}

// Updates evaluates the update of a flavour block, or else of its composition:
// "switch" or "replace" for all nodes, or for each role that it names. known
// are the roles that the composition has.
func (e *Evaluator) Updates(c *Composition, f *Flavour, known []string) (Updates, hcl.Diagnostics) {
	attr := f.Update
	if attr == nil {
		attr = c.Update
	}
	if attr == nil {
		return Updates{}, nil
	}
	at := attr.Expr.Range()
	u := Updates{Switch: map[string]bool{}, Range: attr.Range}
	s, diags := e.scope(entity{kind: blockEntity, block: blockOf(f.Deployment())})
	if diags.HasErrors() {
		return u, diags
	}
	value, more := evaluate(attr.Expr, s.EvalContext)
	if diags = append(diags, more...); diags.HasErrors() {
		return u, diags
	}
	if !value.IsWhollyKnown() {
		return u, append(diags, errorAt(at, "Not known yet", "\"update\" must be known when planning, because the plan says what becomes of each node. %s", unknownCause(attr.Expr, s.EvalContext)))
	}
	if marks.IsSensitive(value) {
		return u, append(diags, errorAt(at, "Sensitive value", "\"update\" is \"switch\" or \"replace\", and the plan shows which."))
	}
	value, _ = value.UnmarkDeep()
	one := func(v cty.Value, at hcl.Range) bool {
		if v.Type() == cty.String && !v.IsNull() && (v.AsString() == "switch" || v.AsString() == "replace") {
			return v.AsString() == "switch"
		}
		diags = append(diags, errorAt(at, "Not a way to update", "\"update\" is \"switch\" (running nodes take on another system), \"replace\" (another system makes another node), or one of them for each role, such as { server = \"switch\" }."))
		return false
	}
	switch {
	case value.IsNull():
	case value.Type().IsObjectType() || value.Type().IsMapType():
		for key, v := range value.Elements() {
			role := key.AsString()
			if !slices.Contains(known, role) {
				diags = append(diags, errorAt(rangeInside(attr.Expr, cty.GetAttrPath(role)), "Unknown role", "Composition %q has no role %q; it has %s.%s", c.Name, role, listed(known), DidYouMean(role, known)))
				continue
			}
			u.Switch[role] = one(v, rangeInside(attr.Expr, cty.GetAttrPath(role)))
		}
	default:
		all := one(value, at)
		for _, role := range known {
			u.Switch[role] = all
		}
	}
	return u, diags
}
