package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// unmark takes all marks off a value and returns them with their places.
func unmark(v cty.Value) (cty.Value, []cty.PathValueMarks) {
	if !v.ContainsMarked() {
		return v, nil
	}
	return v.UnmarkDeepWithPaths()
}

// unmark is unmark for an object of the shape, without looking into the values
// that cannot hold marks: most configurations carry none.
func (s *shape) unmark(v cty.Value) (cty.Value, []cty.PathValueMarks) {
	if s.marked(v) {
		return v.UnmarkDeepWithPaths()
	}
	return v, nil
}

func (s *shape) marked(v cty.Value) bool {
	if v.IsMarked() {
		return true
	}
	if v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() {
		return v.ContainsMarked()
	}
	for i := range s.Attributes {
		name := s.Attributes[i].Name
		if !v.Type().HasAttribute(name) {
			return v.ContainsMarked()
		}
		x := v.GetAttr(name)
		if x.IsMarked() || !x.Type().IsPrimitiveType() && x.ContainsMarked() {
			return true
		}
	}
	for i := range s.nested {
		if v.Type().HasAttribute(s.nested[i].name) && v.GetAttr(s.nested[i].name).ContainsMarked() {
			return true
		}
	}
	return false
}

// markSensitive marks the attributes that a schema calls sensitive.
func markSensitive(s *shape, v cty.Value, mark any) cty.Value {
	if !s.sensitive || v.IsMarked() || v.IsNull() || !v.IsKnown() {
		return v
	}
	values := v.AsValueMap()
	for i := range s.Attributes {
		if a := &s.Attributes[i]; a.Sensitive {
			values[a.Name] = values[a.Name].Mark(mark)
		}
	}
	for i := range s.nested {
		n := &s.nested[i]
		if !n.sensitive {
			continue
		}
		if n.nesting == schema.Single {
			values[n.name] = markSensitive(n.shape, values[n.name], mark)
			continue
		}
		list := values[n.name]
		if list.IsMarked() || list.IsNull() || !list.IsKnown() || list.LengthInt() == 0 {
			continue
		}
		inner := list.AsValueSlice()
		for j := range inner {
			inner[j] = markSensitive(n.shape, inner[j], mark)
		}
		values[n.name] = cty.ListVal(inner)
	}
	return cty.ObjectVal(values)
}
