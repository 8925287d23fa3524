package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// decoder reads the blocks of all files into one configuration.
type decoder struct {
	config   *Config
	diags    hcl.Diagnostics
	declared map[string]hcl.Range // what is declared, as messages call it, and where
}

// blockKind is a block that may stand at the top of a file.
type blockKind struct {
	hcl.BlockHeaderSchema
	decode func(d *decoder, b *hcl.Block)
}

// blockKinds lists the blocks of the language.
func blockKinds() []blockKind {
	kind := func(decode func(*decoder, *hcl.Block), name string, labels ...string) blockKind {
		return blockKind{hcl.BlockHeaderSchema{Type: name, LabelNames: labels}, decode}
	}
	return []blockKind{
		kind((*decoder).nxc, "nxc"),
		kind((*decoder).provider, "provider", "name"),
		kind((*decoder).variable, "variable", "name"),
		kind((*decoder).locals, "locals"),
		kind((*decoder).output, "output", "name"),
		kind((*decoder).check, "check", "name"),
		kind((*decoder).resource, "resource", "type", "name"),
		kind((*decoder).resource, "data", "type", "name"),
		kind((*decoder).composition, "composition", "name"),
		kind((*decoder).moved, "moved"),
		kind((*decoder).removed, "removed"),
		kind((*decoder).imported, "import"),
	}
}

// file decodes the blocks of one file.
func (d *decoder) file(body hcl.Body) {
	var schema hcl.BodySchema
	decode := map[string]func(*decoder, *hcl.Block){}
	for _, k := range blockKinds() {
		schema.Blocks = append(schema.Blocks, k.BlockHeaderSchema)
		decode[k.Type] = k.decode
	}
	for _, f := range foreignBlocks() {
		schema.Blocks = append(schema.Blocks, f.BlockHeaderSchema)
		decode[f.Type] = func(d *decoder, b *hcl.Block) { d.refuseForeign(b.DefRange, f.foreign) }
	}
	content, diags := body.Content(&schema)
	d.diags = append(d.diags, diags...)
	for _, b := range content.Blocks {
		decode[b.Type](d, b)
	}
}

// add appends one diagnostic.
func (d *decoder) add(diag *hcl.Diagnostic) { d.diags = append(d.diags, diag) }

// declare records that what stands at r, and reports a second one.
func (d *decoder) declare(what string, r hcl.Range) bool {
	if first, twice := d.declared[what]; twice {
		d.add(errorAt(r, "Declared twice", "There is a second %s here; the first is at %s. Rename or remove one.", what, place(first)))
		return false
	}
	d.declared[what] = r
	return true
}

// identifier checks that the label of a block can be written in a reference.
func (d *decoder) identifier(b *hcl.Block, i int) bool {
	if hclsyntax.ValidIdentifier(b.Labels[i]) {
		return true
	}
	d.add(errorAt(b.LabelRanges[i], "Not a name", "%q cannot be a name: a name begins with a letter and goes on with letters, digits, \"_\" and \"-\".", b.Labels[i]))
	return false
}

// content reads the arguments and blocks of a body that is nxc's own.
func (d *decoder) content(body hcl.Body, schema *hcl.BodySchema) *hcl.BodyContent {
	content, diags := body.Content(withForeign(schema))
	d.diags = append(d.diags, diags...)
	d.refuseArguments(content, schema)
	return content
}

// partial reads nxc's own arguments of a body whose rest is a provider's.
func (d *decoder) partial(body hcl.Body, schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Body) {
	content, rest, diags := body.PartialContent(schema)
	d.diags = append(d.diags, diags...)
	return content, rest
}

// literal sets target, a *string or *bool, from an argument that must not
// refer to anything. It leaves target alone when the argument is left out.
func (d *decoder) literal(attr *hcl.Attribute, target any) {
	if attr == nil {
		return
	}
	if refs := attr.Expr.Variables(); len(refs) > 0 {
		d.add(errorAt(attr.Expr.Range(), "Not a literal", "%q must be written out: it is read before anything has a value, so it cannot refer to %s.", attr.Name, spell(refs[0])))
		return
	}
	if diags := gohcl.DecodeExpression(attr.Expr, nil, target); diags.HasErrors() {
		d.add(errorAt(attr.Expr.Range(), "Wrong type", "%q must be %s.", attr.Name, literalKind(target)))
	}
}

func literalKind(target any) string {
	if _, ok := target.(*bool); ok {
		return "true or false"
	}
	return "a string"
}

// nxc decodes the settings of nxc itself.
func (d *decoder) nxc(b *hcl.Block) {
	if !d.declare("nxc block", b.DefRange) {
		return
	}
	schema := hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "required_version"}}}
	schema.Blocks = append(schema.Blocks, hcl.BlockHeaderSchema{Type: "build"})
	for _, f := range foreignSettings() {
		schema.Blocks = append(schema.Blocks, f.BlockHeaderSchema)
	}
	content := d.content(b.Body, &schema)
	for _, inner := range content.Blocks {
		if inner.Type == "build" {
			d.build(inner)
		}
		for _, f := range foreignSettings() {
			if f.Type == inner.Type {
				d.refuseForeign(inner.DefRange, f.foreign)
			}
		}
	}
	d.requiredVersion(content.Attributes["required_version"])
}

// provider decodes one configuration of a provider.
func (d *decoder) provider(b *hcl.Block) {
	if !d.identifier(b, 0) {
		return
	}
	content, rest := d.partial(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "alias"}}})
	p := &Provider{Name: b.Labels[0], Body: rest, DeclRange: b.DefRange}
	alias := content.Attributes["alias"]
	d.literal(alias, &p.Alias)
	if alias != nil && p.Alias != "" && !hclsyntax.ValidIdentifier(p.Alias) {
		d.add(errorAt(alias.Expr.Range(), "Not a name", "%q cannot be an alias: a name begins with a letter and goes on with letters, digits, \"_\" and \"-\".", p.Alias))
		return
	}
	if d.declare(fmt.Sprintf("configuration %s of a provider", p.Configuration()), b.DefRange) {
		d.config.Providers[p.Configuration()] = p
	}
}

// locals decodes a locals block.
func (d *decoder) locals(b *hcl.Block) {
	attrs, diags := b.Body.JustAttributes()
	d.diags = append(d.diags, diags...)
	for _, attr := range sortedAttributes(attrs) {
		if d.declare("local."+attr.Name, attr.NameRange) {
			d.config.Locals[attr.Name] = &Local{Name: attr.Name, Expr: attr.Expr, DeclRange: attr.Range}
		}
	}
}

// output decodes an output block.
func (d *decoder) output(b *hcl.Block) {
	if !d.identifier(b, 0) || !d.declare("output "+b.Labels[0], b.DefRange) {
		return
	}
	content := d.content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "value", Required: true}, {Name: "description"}, {Name: "sensitive"}, {Name: "depends_on"},
	}, Blocks: []hcl.BlockHeaderSchema{{Type: "precondition"}}})
	o := &Output{Name: b.Labels[0], DeclRange: b.DefRange}
	for _, inner := range content.Blocks {
		if condition, ok := d.condition(inner); ok {
			o.Preconditions = append(o.Preconditions, condition)
		}
	}
	if value := content.Attributes["value"]; value != nil {
		o.Value = value.Expr
	} else {
		return
	}
	d.literal(content.Attributes["description"], &o.Description)
	d.literal(content.Attributes["sensitive"], &o.Sensitive)
	o.DependsOn = d.dependsOn(content.Attributes["depends_on"])
	d.config.Outputs[o.Name] = o
}
