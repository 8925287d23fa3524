package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// propose returns the value that an object will have as far as the schema can
// tell: the configuration, defaults for what it leaves out, and for what the
// provider decides the prior value, or unknown when there is no prior object.
//
// config and prior are of s's type and without marks; prior may be null.
func propose(s *shape, config, prior cty.Value) cty.Value {
	values := make(map[string]cty.Value, len(s.Attributes)+len(s.nested))
	for i := range s.Attributes {
		a := &s.Attributes[i]
		values[a.Name] = proposeAttribute(a, config.GetAttr(a.Name), prior)
	}
	for i := range s.nested {
		n := &s.nested[i]
		values[n.name] = proposeNested(n, config.GetAttr(n.name), prior)
	}
	return cty.ObjectVal(values)
}

func proposeAttribute(a *schema.Attribute, config, prior cty.Value) cty.Value {
	switch {
	case !config.IsNull(): // known or not
		return config
	case hasDefault(a):
		return a.Default
	case !a.Computed:
		return cty.NullVal(a.Type)
	case prior.IsNull():
		return cty.UnknownVal(a.Type)
	default:
		return prior.GetAttr(a.Name) // null, when that is what it was
	}
}

func proposeNested(n *nestedShape, config, parent cty.Value) cty.Value {
	if !config.IsKnown() {
		return config
	}
	if n.nesting == schema.Single {
		if config.IsNull() {
			return config
		}
		return propose(n.shape, config, child(parent, n.name, n.typ))
	}
	if config.IsNull() || config.LengthInt() == 0 {
		return cty.ListValEmpty(n.shape.typ)
	}
	before := elements(child(parent, n.name, n.typ))
	list := make([]cty.Value, 0, config.LengthInt())
	for i, v := range config.AsValueSlice() {
		switch {
		case v.IsNull() || !v.IsKnown():
			list = append(list, v)
		case i < len(before):
			list = append(list, propose(n.shape, v, before[i]))
		default:
			list = append(list, propose(n.shape, v, cty.NullVal(n.shape.typ)))
		}
	}
	return cty.ListVal(list)
}

func hasDefault(a *schema.Attribute) bool {
	return a.Default != cty.NilVal && !a.Default.IsNull()
}

// child returns an attribute of an object, or null of the given type when the
// object is null or unknown.
func child(object cty.Value, name string, typ cty.Type) cty.Value {
	if object.IsNull() || !object.IsKnown() {
		return cty.NullVal(typ)
	}
	return object.GetAttr(name)
}

// elements returns the elements of a list, none when it is null or unknown.
func elements(list cty.Value) []cty.Value {
	if list.IsNull() || !list.IsKnown() {
		return nil
	}
	return list.AsValueSlice()
}
