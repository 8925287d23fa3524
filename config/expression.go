package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Expression is one that somebody asks for. It stands in no block, and may refer
// to whatever an output may.
type Expression struct {
	Composition string // as an Output's: whose selected deployment it speaks of
	expr        hcl.Expression
	references  []reference
}

// expressionFile is what messages call the place of such an expression.
const expressionFile = "the expression"

// Expression parses an expression and finds what it refers to.
func (c *Config) Expression(text string) (*Expression, hcl.Diagnostics) {
	c.Files[expressionFile] = &hcl.File{Bytes: []byte(text), Body: hcl.EmptyBody()}
	expr, diags := hclsyntax.ParseExpression([]byte(text), expressionFile, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	from := entity{kind: expressionEntity}
	in := &surroundings{what: "an expression", selected: true}
	r := &resolver{Config: c}
	r.expressions(from, in, expr)
	x := &Expression{Composition: in.composition, expr: expr, references: c.references[from]}
	delete(c.references, from) // the next one has its own
	return x, append(diags, r.diags...)
}

// Expression evaluates an expression, whose value may hold sensitive parts.
// selected is the deployment that x.Composition asks for, or nil.
func (e *Evaluator) Expression(x *Expression, selected *addr.Deployment) (cty.Value, hcl.Diagnostics) {
	s, diags := e.collect(x.references, inBody, selected)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	value, more := evaluate(x.expr, s.EvalContext)
	return value, append(diags, more...)
}
