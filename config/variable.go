package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Variable is a value that the user gives when nxc runs.
type Variable struct {
	Name        string
	Type        cty.Type  // cty.DynamicPseudoType: any
	Default     cty.Value // of Type; cty.NilVal: the variable is required
	Description string
	Sensitive   bool
	Nullable    bool
	Validations []Condition
	DeclRange   hcl.Range

	typed    bool // a type is written
	defaults *typeexpr.Defaults
}

// Required reports whether the user must give a value.
func (v *Variable) Required() bool { return v.Default == cty.NilVal }

// TypeText spells the variable's type as in a type argument.
func (v *Variable) TypeText() string { return typeexpr.TypeString(v.Type) }

// variable decodes a variable block.
func (d *decoder) variable(b *hcl.Block) {
	if !d.identifier(b, 0) || !d.declare("variable "+b.Labels[0], b.DefRange) {
		return
	}
	content := d.content(b.Body, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
	})
	v := &Variable{Name: b.Labels[0], Type: cty.DynamicPseudoType, Nullable: true, DeclRange: b.DefRange}
	if attr := content.Attributes["type"]; attr != nil {
		typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		d.diags = append(d.diags, diags...)
		v.Type, v.defaults, v.typed = typ, defaults, true
	}
	d.literal(content.Attributes["description"], &v.Description)
	d.literal(content.Attributes["sensitive"], &v.Sensitive)
	d.literal(content.Attributes["nullable"], &v.Nullable)
	d.defaultValue(v, content.Attributes["default"])
	for _, inner := range content.Blocks {
		if condition, ok := d.condition(inner); ok {
			v.Validations = append(v.Validations, condition)
		}
	}
	d.config.Variables[v.Name] = v
}

// defaultValue reads the default, which refers to nothing.
func (d *decoder) defaultValue(v *Variable, attr *hcl.Attribute) {
	if attr == nil {
		return
	}
	v.Default = cty.NullVal(v.valueType()) // whatever is wrong with it: the user need not give one
	if refs := attr.Expr.Variables(); len(refs) > 0 {
		d.add(errorAt(refs[0].SourceRange(), "Not a literal", "The default of var.%s cannot refer to %s. Leave the default out and compute the value in locals.", v.Name, spell(refs[0])))
		return
	}
	value, diags := attr.Expr.Value(nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		return
	}
	value, err := v.convert(value)
	switch {
	case err != nil:
		d.add(errorAt(attr.Expr.Range(), "Wrong type", "The default of var.%s must be %s%s.", v.Name, article(v.TypeText()), reason(err)))
	case value.IsNull() && !v.Nullable:
		d.add(errorAt(attr.Expr.Range(), "Null not allowed", "var.%s has nullable = false, so its default cannot be null.", v.Name))
	default:
		v.Default = value
	}
}

// convert makes value one of the variable's type, filling in optional attributes.
func (v *Variable) convert(value cty.Value) (cty.Value, error) {
	if v.defaults != nil && !value.IsNull() {
		value = v.defaults.Apply(value)
	}
	return convert.Convert(value, v.Type)
}

// valueType is the type of the variable's values.
func (v *Variable) valueType() cty.Type { return v.Type.WithoutOptionalAttributesDeep() }
