package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// Resource decodes the body of one instance by the schema of its type. What is
// left out is null, what is not known is unknown, marks are kept. The block's
// preconditions are checked as far as they are known.
func (e *Evaluator) Resource(r *Resource, x Expansion, key addr.Key, b *schema.Block) (cty.Value, hcl.Diagnostics) {
	prepared := e.prepare(r, b)
	if prepared.diags.HasErrors() {
		return cty.DynamicVal, prepared.diags
	}
	s, diags := e.instanceScope(r, x, key, prepared.scope)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	var value cty.Value
	if prepared.form == nil {
		value, diags = decodeBody(r.Body, b, s, ownerOf(r))
	} else {
		value, diags = prepared.form.fill(s.EvalContext)
	}
	diags = append(diags, checkAll(r.Lifecycle.Preconditions, r.Addr, key, s.EvalContext)...)
	return value, inFileOrder(diags)
}

func ownerOf(r *Resource) owner { return owner{blockText(r.Addr), r.DeclRange} }

// prepared is what the instances of a block share.
type prepared struct {
	block *schema.Block
	scope scope
	form  *form // nil with dynamic blocks, which differ from instance to instance
	diags hcl.Diagnostics
}

// prepare matches the body of a block with its schema and evaluates what does
// not depend on the instance.
func (e *Evaluator) prepare(r *Resource, b *schema.Block) prepared {
	if kept, ok := e.forms.Load(r); ok && kept.(prepared).block == b {
		return kept.(prepared)
	}
	p := prepared{block: b}
	p.scope, p.diags = e.scope(entity{kind: blockEntity, block: r.Addr})
	repeated := r.Count != nil || r.ForEach != nil
	if !p.diags.HasErrors() && !usesDynamic(r.Body) {
		p.form, p.diags = newForm(r.Body, b, ownerOf(r))
		if repeated && !p.diags.HasErrors() {
			p.diags = append(p.diags, p.form.freeze(p.scope.EvalContext)...)
		}
	}
	p.diags = inFileOrder(p.diags)
	if repeated && p.scope.settled {
		e.forms.Store(r, p)
	}
	return p
}

// decodeBody decodes a body that is used once.
func decodeBody(body hcl.Body, b *schema.Block, s scope, o owner) (cty.Value, hcl.Diagnostics) {
	if usesDynamic(body) {
		body = dynblock.Expand(body, s.EvalContext)
	}
	f, diags := newForm(body, b, o)
	if diags.HasErrors() {
		return cty.DynamicVal, inFileOrder(diags)
	}
	value, moreDiags := f.fill(s.EvalContext)
	return value, inFileOrder(append(diags, moreDiags...))
}
