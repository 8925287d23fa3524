package config

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// wrongType points at the part of an expression that has the wrong type.
func (f *field) wrongType(err error, value cty.Value, o owner) *hcl.Diagnostic {
	path, part, want := blame(value, f.Type)
	if len(path) > 0 {
		return errorAt(rangeInside(f.argument.Expr, path), "Wrong type", "%s%s of %s must be %s; this is %s.", f.Name, pathText(path), o.text, article(typeexpr.TypeString(want)), typeName(part))
	}
	return errorAt(f.argument.Expr.Range(), "Wrong type", "%q of %s must be %s; this is %s%s.", f.Name, o.text, article(typeexpr.TypeString(f.Type)), typeName(value), reason(err))
}

// blame finds the innermost part of a value that cannot be converted, and what
// it should have been.
func blame(value cty.Value, want cty.Type) (cty.Path, cty.Value, cty.Type) {
	value, _ = value.Unmark()
	if value.IsNull() || !value.IsKnown() || !value.CanIterateElements() {
		return nil, value, want
	}
	for key, element := range value.Elements() {
		var inner cty.Type
		step := cty.PathStep(cty.IndexStep{Key: key})
		switch {
		case want.IsCollectionType():
			inner = want.ElementType()
		case want.IsObjectType() && key.Type() == cty.String && want.HasAttribute(key.AsString()):
			inner, step = want.AttributeType(key.AsString()), cty.GetAttrStep{Name: key.AsString()}
		default:
			continue
		}
		if _, err := convert.Convert(element, inner); err != nil {
			path, part, wanted := blame(element, inner)
			return append(cty.Path{step}, path...), part, wanted
		}
	}
	return nil, value, want
}

// holdsObjects reports whether a type has objects in it.
func holdsObjects(typ cty.Type) bool {
	switch {
	case typ.IsObjectType():
		return true
	case typ.IsCollectionType():
		return holdsObjects(typ.ElementType())
	case typ.IsTupleType():
		return slices.ContainsFunc(typ.TupleElementTypes(), holdsObjects)
	default:
		return false
	}
}

// misspelt reports attributes of objects that the wanted type does not have; a
// conversion would drop them without a word.
func misspelt(expr hcl.Expression, have, want cty.Type, what string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	var compare func(have, want cty.Type, path cty.Path)
	compare = func(have, want cty.Type, path cty.Path) {
		switch {
		case want.IsObjectType() && have.IsObjectType():
			wanted := slices.Sorted(maps.Keys(want.AttributeTypes()))
			for _, name := range slices.Sorted(maps.Keys(have.AttributeTypes())) {
				inner := path.Copy().GetAttr(name)
				if want.HasAttribute(name) {
					compare(have.AttributeType(name), want.AttributeType(name), inner)
					continue
				}
				diags = append(diags, errorAt(rangeInside(expr, inner), "Unknown attribute", "%s%s has no %q; it has %s.%s", what, pathText(path), name, listed(wanted), DidYouMean(name, wanted)))
			}
		case want.IsCollectionType() && have.IsCollectionType():
			compare(have.ElementType(), want.ElementType(), path)
		case want.IsMapType() && have.IsObjectType():
			for _, name := range slices.Sorted(maps.Keys(have.AttributeTypes())) {
				compare(have.AttributeType(name), want.ElementType(), path.Copy().Index(cty.StringVal(name)))
			}
		case want.IsCollectionType() && have.IsTupleType():
			for i, element := range have.TupleElementTypes() {
				compare(element, want.ElementType(), path.Copy().IndexInt(i))
			}
		}
	}
	compare(have, want, nil)
	return diags
}

// afterSpace returns text with a space in front, or nothing.
func afterSpace(text string) string {
	if text == "" {
		return ""
	}
	return " " + text
}
