package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Check is a check block: what should hold of all blocks together. Nothing
// waits for it, and nothing fails because of it.
type Check struct {
	Name        string
	Asserts     []Condition
	Composition string // as an Output's: whose selected deployment it speaks of
	DeclRange   hcl.Range
}

// check decodes a check block.
func (d *decoder) check(b *hcl.Block) {
	if !d.identifier(b, 0) || !d.declare("check "+b.Labels[0], b.DefRange) {
		return
	}
	content := d.content(b.Body, &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "assert"}, foreignCheck().BlockHeaderSchema}})
	c := &Check{Name: b.Labels[0], DeclRange: b.DefRange}
	for _, inner := range content.Blocks {
		if inner.Type != "assert" {
			d.refuseForeign(inner.DefRange, foreignCheck().foreign)
			continue
		}
		if condition, ok := d.condition(inner); ok {
			c.Asserts = append(c.Asserts, condition)
		}
	}
	if len(content.Blocks) == 0 {
		d.add(errorAt(b.DefRange, "Nothing is checked", "Check %q has no assert block. Write one, with a condition and an error_message.", c.Name))
	}
	d.config.Checks = append(d.config.Checks, c)
}

// Check warns of what does not hold, and not of what is not known yet. An
// assertion that cannot be evaluated is a warning as well. selected is the
// deployment that c.Composition asks for, or nil.
func (e *Evaluator) Check(c *Check, selected *addr.Deployment) hcl.Diagnostics {
	summary := fmt.Sprintf("Check %q failed", c.Name)
	if selected != nil {
		summary += " for " + selected.String()
	}
	s, diags := e.collect(e.config.references[entity{kind: checkEntity, name: c.Name}], inBody, selected)
	if !diags.HasErrors() {
		for _, assert := range c.Asserts {
			diags = append(diags, assert.check(s.EvalContext, summary, assert.Condition.Range())...)
		}
	}
	warnings := make(hcl.Diagnostics, len(diags))
	for i := range diags {
		warning := *diags[i] // a local value's is kept for others
		warning.Severity = hcl.DiagWarning
		warnings[i] = &warning
	}
	return warnings
}
