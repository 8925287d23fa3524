package plan

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// FormatPath spells a path as a user writes it, such as port[0].host.
func FormatPath(p cty.Path) string {
	var b strings.Builder
	for _, step := range p {
		switch step := step.(type) {
		case cty.GetAttrStep:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step.Name)
		case cty.IndexStep:
			b.WriteString("[" + formatKey(step.Key) + "]")
		}
	}
	return b.String()
}

func formatKey(key cty.Value) string {
	switch {
	case !key.IsKnown() || key.IsNull():
		return "?"
	case key.Type() == cty.Number:
		return key.AsBigFloat().Text('f', 0)
	case key.Type() == cty.String:
		return strconv.Quote(key.AsString())
	default:
		return "…"
	}
}

// valueAt returns what stands at path, and whether there is such a place.
func valueAt(v cty.Value, path cty.Path) (cty.Value, bool) {
	for _, step := range path {
		if v.IsNull() || !v.IsKnown() {
			return cty.NilVal, false
		}
		switch step := step.(type) {
		case cty.GetAttrStep:
			if !v.Type().IsObjectType() || !v.Type().HasAttribute(step.Name) {
				return cty.NilVal, false
			}
			v = v.GetAttr(step.Name)
		case cty.IndexStep:
			if !v.CanIterateElements() || v.Type().IsSetType() || !v.HasIndex(step.Key).True() {
				return cty.NilVal, false
			}
			v = v.Index(step.Key)
		}
	}
	return v, true
}

// setAt returns v with what stands at path replaced, converted to the type
// that stands there. cty.NilVal takes the key of a map away.
func setAt(v cty.Value, path cty.Path, to cty.Value) (cty.Value, error) {
	if len(path) == 0 {
		return convert.Convert(to, v.Type())
	}
	if v.IsNull() || !v.IsKnown() {
		return cty.NilVal, fmt.Errorf("there is no value that holds %s", FormatPath(path))
	}
	t := v.Type()
	switch step := path[0].(type) {
	case cty.GetAttrStep:
		if t.IsObjectType() && t.HasAttribute(step.Name) {
			return setAttribute(v, step.Name, path[1:], to)
		}
	case cty.IndexStep:
		switch {
		case (t.IsListType() || t.IsTupleType()) && v.HasIndex(step.Key).True():
			return setElement(v, step.Key, path[1:], to)
		case t.IsMapType() && step.Key.Type() == cty.String:
			return setKey(v, step.Key.AsString(), path[1:], to)
		}
	}
	return cty.NilVal, fmt.Errorf("there is no %s", FormatPath(path))
}

func setAttribute(v cty.Value, name string, rest cty.Path, to cty.Value) (cty.Value, error) {
	values := v.AsValueMap()
	inner, err := setAt(values[name], rest, to)
	if err != nil {
		return cty.NilVal, err
	}
	values[name] = inner
	return cty.ObjectVal(values), nil
}

func setElement(v, key cty.Value, rest cty.Path, to cty.Value) (cty.Value, error) {
	at, accuracy := key.AsBigFloat().Int64()
	if accuracy != big.Exact {
		return cty.NilVal, fmt.Errorf("%s is not an index", formatKey(key))
	}
	values := v.AsValueSlice()
	inner, err := setAt(values[at], rest, to)
	if err != nil {
		return cty.NilVal, err
	}
	values[at] = inner
	if v.Type().IsTupleType() {
		return cty.TupleVal(values), nil
	}
	return cty.ListVal(values), nil
}

func setKey(v cty.Value, key string, rest cty.Path, to cty.Value) (cty.Value, error) {
	values := v.AsValueMap()
	if values == nil {
		values = map[string]cty.Value{}
	}
	old, ok := values[key]
	if !ok {
		old = cty.NullVal(v.Type().ElementType())
	}
	if to == cty.NilVal && len(rest) == 0 {
		delete(values, key)
	} else {
		inner, err := setAt(old, rest, to)
		if err != nil {
			return cty.NilVal, err
		}
		values[key] = inner
	}
	if len(values) == 0 {
		return cty.MapValEmpty(v.Type().ElementType()), nil
	}
	return cty.MapVal(values), nil
}
