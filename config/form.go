package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// owner is the block that a body belongs to, for messages.
type owner struct {
	text string
	at   hcl.Range
}

// form is a body whose arguments and blocks were matched with a schema. It is
// made once for a block and filled for each of its instances.
type form struct {
	owner
	fields  []field
	blocks  []nestedForms
	unknown bool      // from a dynamic block whose for_each is not known
	whole   cty.Value // the value, when it is the same for every instance
}

// field is an attribute of a schema and the expression that gives its value.
type field struct {
	*schema.Attribute
	argument *hcl.Attribute // nil: left out
	constant cty.Value      // the value, when it is the same for every instance
	objects  bool           // the type holds objects, whose attributes may be misspelt
}

// nestedForms are the blocks of one type.
type nestedForms struct {
	*schema.NestedBlock
	forms []*form
}

// newForm matches a body with a schema.
func newForm(body hcl.Body, b *schema.Block, o owner) (*form, hcl.Diagnostics) {
	content, diags := body.Content(bodySchema(b))
	f := &form{owner: o, fields: make([]field, len(b.Attributes))}
	if partly, ok := body.(interface{ Unknown() bool }); ok {
		f.unknown = partly.Unknown()
	}
	for i := range b.Attributes {
		a := &b.Attributes[i]
		argument := content.Attributes[a.Name]
		f.fields[i] = field{Attribute: a, argument: argument, objects: holdsObjects(a.Type)}
		if argument == nil && a.Required {
			diags = append(diags, errorAt(o.at, "Missing argument", "%s needs %q (%s).%s", o.text, a.Name, typeexpr.TypeString(a.Type), afterSpace(a.Doc)))
		}
		if argument != nil && a.Computed && !a.Optional && !a.Required {
			diags = append(diags, errorAt(argument.NameRange, "Decided by the provider", "%q of %s cannot be set: the provider decides it. Remove the line.", a.Name, o.text))
		}
	}
	for i := range b.Blocks {
		nested, moreDiags := newNestedForms(content.Blocks, &b.Blocks[i], o)
		diags = append(diags, moreDiags...)
		f.blocks = append(f.blocks, nested)
	}
	return f, diags
}

// newNestedForms matches the blocks of one type.
func newNestedForms(blocks hcl.Blocks, n *schema.NestedBlock, o owner) (nestedForms, hcl.Diagnostics) {
	nested := nestedForms{NestedBlock: n}
	var diags hcl.Diagnostics
	var first *hcl.Block
	for _, block := range blocks {
		if block.Type != n.Name {
			continue
		}
		if first != nil && n.Nesting == schema.Single {
			diags = append(diags, errorAt(block.DefRange, "Declared twice", "%s has a second block %q here, and can have one; the first is at %s.", o.text, n.Name, place(first.DefRange)))
			continue
		}
		first = block
		inner, moreDiags := newForm(block.Body, &n.Block, owner{fmt.Sprintf("block %q of %s", n.Name, o.text), block.DefRange})
		diags = append(diags, moreDiags...)
		nested.forms = append(nested.forms, inner)
	}
	if first == nil && n.Required {
		diags = append(diags, errorAt(o.at, "Missing block", "%s needs a block %q.%s", o.text, n.Name, afterSpace(n.Block.Doc)))
	}
	return nested, diags
}

func bodySchema(b *schema.Block) *hcl.BodySchema {
	s := &hcl.BodySchema{
		Attributes: make([]hcl.AttributeSchema, len(b.Attributes)),
		Blocks:     make([]hcl.BlockHeaderSchema, len(b.Blocks)),
	}
	for i := range b.Attributes {
		s.Attributes[i].Name = b.Attributes[i].Name
	}
	for i := range b.Blocks {
		s.Blocks[i].Type = b.Blocks[i].Name
	}
	return s
}

// freeze evaluates what has the same value for every instance.
func (f *form) freeze(ctx *hcl.EvalContext) hcl.Diagnostics {
	var diags hcl.Diagnostics
	all := true
	for i := range f.fields {
		field := &f.fields[i]
		if field.argument != nil && variesByInstance(field.argument.Expr) {
			all = false
			continue
		}
		value, moreDiags := field.evaluate(ctx, f.owner)
		diags = append(diags, moreDiags...)
		field.constant = value
	}
	for _, nested := range f.blocks {
		for _, inner := range nested.forms {
			diags = append(diags, inner.freeze(ctx)...)
			all = all && inner.whole != cty.NilVal
		}
	}
	if all && !diags.HasErrors() {
		f.whole, diags = f.fill(ctx)
	}
	return diags
}

// variesByInstance reports whether an expression uses each or count.
func variesByInstance(expr hcl.Expression) bool {
	return slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool {
		return t.RootName() == "each" || t.RootName() == "count"
	})
}

// fill evaluates the form for one instance.
func (f *form) fill(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if f.whole != cty.NilVal {
		return f.whole, nil
	}
	var diags hcl.Diagnostics
	values := make(map[string]cty.Value, len(f.fields)+len(f.blocks))
	for i := range f.fields {
		value, moreDiags := f.fields[i].evaluate(ctx, f.owner)
		diags = append(diags, moreDiags...)
		values[f.fields[i].Name] = value
	}
	for _, nested := range f.blocks {
		value, moreDiags := nested.fill(ctx)
		diags = append(diags, moreDiags...)
		values[nested.Name] = value
	}
	return cty.ObjectVal(values), diags
}

// fill evaluates the blocks of one type.
func (n nestedForms) fill(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	typ := n.Block.Type().WithoutOptionalAttributesDeep()
	var diags hcl.Diagnostics
	values := make([]cty.Value, len(n.forms))
	for i, inner := range n.forms {
		if inner.unknown && n.Nesting == schema.List {
			return cty.UnknownVal(cty.List(typ)), diags
		}
		value, moreDiags := inner.fill(ctx)
		diags = append(diags, moreDiags...)
		values[i] = value
	}
	switch {
	case n.Nesting == schema.Single && len(values) == 0:
		return cty.NullVal(typ), diags
	case n.Nesting == schema.Single:
		return values[0], diags
	case len(values) == 0:
		return cty.ListValEmpty(typ), diags
	}
	if unified, _ := convert.UnifyUnsafe(typesOf(values)); unified != cty.NilType {
		for i := range values {
			values[i], _ = convert.Convert(values[i], unified)
		}
		return cty.ListVal(values), diags
	}
	diags = append(diags, errorAt(n.forms[0].at, "Different types", "The %q blocks hold values of different types; they must agree.", n.Name))
	return cty.UnknownVal(cty.List(typ)), diags
}

func typesOf(values []cty.Value) []cty.Type {
	types := make([]cty.Type, len(values))
	for i, v := range values {
		types[i] = v.Type()
	}
	return types
}

// evaluate returns the value of one attribute, of its type.
func (f *field) evaluate(ctx *hcl.EvalContext, o owner) (cty.Value, hcl.Diagnostics) {
	if f.constant != cty.NilVal {
		return f.constant, nil
	}
	typ := f.Type.WithoutOptionalAttributesDeep()
	if f.argument == nil {
		return cty.NullVal(typ), nil
	}
	value, diags := evaluate(f.argument.Expr, ctx)
	if diags.HasErrors() {
		return cty.UnknownVal(typ), diags
	}
	if f.objects {
		diags = append(diags, misspelt(f.argument.Expr, value.Type(), f.Type, f.Name)...)
	}
	converted, err := convert.Convert(value, f.Type)
	if err != nil {
		return cty.UnknownVal(typ), append(diags, f.wrongType(err, value, o))
	}
	if f.Required && converted.IsNull() {
		diags = append(diags, errorAt(f.argument.Expr.Range(), "Missing argument", "%s needs %q (%s), and this is null.%s", o.text, f.Name, typeexpr.TypeString(f.Type), afterSpace(f.Doc)))
	}
	return converted, diags
}
