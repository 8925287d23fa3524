package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// Difference is one attribute whose value changes.
type Difference struct {
	Path    cty.Path
	Before  cty.Value // null when there was none
	After   cty.Value // null when there will be none; unknown when it is decided later
	Replace bool      // the schema says that another value makes another object
}

// Differences compares two values of b's type, either of which may be null,
// and returns the attributes that differ, in the order of the schema.
//
// The cases:
//
//   - an unknown value differs from every known one, null included;
//   - null, an empty list, an empty set and an empty map are one value: they
//     all say that there is nothing, and programs lose the difference;
//   - null and an empty string, zero or false differ;
//   - a nested block that is there on one side only differs in each attribute
//     that is not null on that side;
//   - nested blocks of a list are compared by their place.
func Differences(b *schema.Block, before, after cty.Value) []Difference {
	var d differ
	d.block(shapeOf(b), nil, before, after)
	return d.found
}

type differ struct{ found []Difference }

func (d *differ) block(s *shape, path cty.Path, before, after cty.Value) {
	for i := range s.Attributes {
		a := &s.Attributes[i]
		x, y := side(before, a.Name, a.Type), side(after, a.Name, a.Type)
		if !same(x, y) {
			d.add(path.GetAttr(a.Name), x, y, a.Replace)
		}
	}
	for i := range s.nested {
		n := &s.nested[i]
		d.nested(n, path.GetAttr(n.name), side(before, n.name, n.typ), side(after, n.name, n.typ))
	}
}

func (d *differ) nested(n *nestedShape, path cty.Path, before, after cty.Value) {
	switch {
	case !before.IsKnown() && !after.IsKnown():
		return
	case !before.IsKnown() || !after.IsKnown():
		d.add(path, before, after, n.replaces)
	case n.nesting == schema.Single:
		d.presence(n, path, before, after)
	default:
		x, y := elements(before), elements(after)
		for i := range max(len(x), len(y)) {
			d.nestedElement(n, path.IndexInt(i), element(x, i, n), element(y, i, n))
		}
	}
}

// element returns element i, or null when there are not so many.
func element(list []cty.Value, i int, n *nestedShape) cty.Value {
	if i < len(list) {
		return list[i]
	}
	return cty.NullVal(n.shape.typ)
}

func (d *differ) nestedElement(n *nestedShape, path cty.Path, before, after cty.Value) {
	if before.IsKnown() != after.IsKnown() {
		d.add(path, before, after, n.replaces)
		return
	}
	d.presence(n, path, before, after)
}

// presence compares one nested block with its counterpart; either may be null.
// A block that comes or goes without any attribute set is itself the difference.
func (d *differ) presence(n *nestedShape, path cty.Path, before, after cty.Value) {
	if before.IsNull() && after.IsNull() {
		return
	}
	found := len(d.found)
	d.block(n.shape, path, before, after)
	if before.IsNull() != after.IsNull() && len(d.found) == found {
		d.add(path, before, after, false)
	}
}

func (d *differ) add(path cty.Path, before, after cty.Value, replace bool) {
	d.found = append(d.found, Difference{Path: path, Before: before, After: after, Replace: replace})
}

// side returns an attribute of an object, unknown when the object is unknown.
func side(object cty.Value, name string, typ cty.Type) cty.Value {
	if !object.IsNull() && !object.IsKnown() {
		return cty.UnknownVal(typ)
	}
	return child(object, name, typ)
}

// same reports whether two attribute values are equal, as Differences says.
func same(a, b cty.Value) bool {
	if a.RawEquals(b) {
		return true
	}
	if !a.IsKnown() || !b.IsKnown() {
		return !a.IsKnown() && !b.IsKnown()
	}
	if isNothing(a) || isNothing(b) {
		return isNothing(a) && isNothing(b)
	}
	return sameWithin(a, b)
}

// isNothing reports whether v is null or a collection without elements.
func isNothing(v cty.Value) bool {
	if v.IsNull() {
		return true
	}
	t := v.Type()
	return v.IsKnown() && (t.IsCollectionType() || t.IsTupleType() || t.IsObjectType()) && v.LengthInt() == 0
}

// sameWithin compares the elements of structures, so that null and empty are
// one value at every depth. Sets are compared whole.
func sameWithin(a, b cty.Value) bool {
	ta, tb := a.Type(), b.Type()
	switch {
	case (ta.IsListType() || ta.IsTupleType()) && (tb.IsListType() || tb.IsTupleType()):
		x, y := a.AsValueSlice(), b.AsValueSlice()
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	case (ta.IsMapType() || ta.IsObjectType()) && (tb.IsMapType() || tb.IsObjectType()):
		x, y := a.AsValueMap(), b.AsValueMap()
		if len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !same(v, w) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
