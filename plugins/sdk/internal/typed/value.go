package typed

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// Mode says what the zero value of a field that is not a pointer means.
type Mode uint8

const (
	// Result is an object as it exists: a computed attribute is what its field
	// says, zero included; an attribute that a user may leave out is null.
	Result Mode = iota
	// Wish is an object as it is asked for: what is zero was left out, so an
	// attribute has its default, or is null (and the provider decides).
	Wish
	// verbatim writes every field as it is, inside object attributes.
	verbatim
)

// Decode fills the struct that into points to, and returns the names of the
// attributes that are unknown or hold something unknown; their fields have
// what is known, and the zero value for the rest. What is null has its default
// where the attribute has one. An error has a cty.Path.
func (t *Type) Decode(v cty.Value, into any) (unknown map[string]bool, err error) {
	target := reflect.ValueOf(into).Elem()
	if target.Type() != t.goType {
		return nil, fmt.Errorf("cannot decode into %s: expected %s", target.Type(), t.goType)
	}
	if v.IsNull() || !v.IsKnown() {
		return nil, fmt.Errorf("expected an object, not %s", describe(v))
	}
	unknown = map[string]bool{}
	if !v.IsWhollyKnown() {
		for i := range t.fields {
			if name := t.fields[i].name; v.Type().HasAttribute(name) && !v.GetAttr(name).IsWhollyKnown() {
				unknown[name] = true
			}
		}
	}
	return unknown, t.decodeFields(v, target)
}

func (t *Type) decodeFields(v cty.Value, into reflect.Value) error {
	for i := range t.fields {
		f := &t.fields[i]
		if !v.Type().HasAttribute(f.name) {
			return fmt.Errorf("the value lacks the attribute %q", f.name)
		}
		given := v.GetAttr(f.name)
		if f.attr != nil && f.attr.Default != cty.NilVal && given.IsKnown() && given.IsNull() {
			given = f.attr.Default
		}
		if err := f.conv.set(given, into.FieldByIndex(f.index)); err != nil {
			return at(cty.GetAttrStep{Name: f.name}, err)
		}
	}
	return nil
}

// Encode returns the value of a struct, given itself or as a pointer.
func (t *Type) Encode(from any, m Mode) (cty.Value, error) {
	source, err := t.source(from)
	if err != nil {
		return cty.NilVal, err
	}
	return t.encodeFields(source, m)
}

// Merge returns the value of a struct that was decoded from base and then
// worked on. Attributes whose field did not change stay exactly as they are in
// base, so that null and zero, which a field cannot tell apart, stay apart.
// What is unknown in base gets the field's value, except the attributes in
// keep, which stay unknown.
func (t *Type) Merge(from any, base cty.Value, keep map[string]bool) (cty.Value, error) {
	source, err := t.source(from)
	if err != nil {
		return cty.NilVal, err
	}
	before := reflect.New(t.goType).Elem()
	if err := t.decodeFields(base, before); err != nil {
		return cty.NilVal, err
	}
	known := base.IsWhollyKnown()
	var attrs map[string]cty.Value // of what differs from base
	for i := range t.fields {
		f := &t.fields[i]
		now := source.FieldByIndex(f.index)
		var v cty.Value
		switch {
		case keep[f.name]:
			if v = base.GetAttr(f.name); !v.IsWhollyKnown() {
				continue
			}
			v = cty.UnknownVal(f.conv.ty)
		case (known || base.GetAttr(f.name).IsWhollyKnown()) && f.same(now, before.FieldByIndex(f.index)):
			continue
		default:
			if v, err = f.encode(now, Result); err != nil {
				return cty.NilVal, at(cty.GetAttrStep{Name: f.name}, err)
			}
		}
		if attrs == nil {
			attrs = base.AsValueMap()
		}
		attrs[f.name] = v
	}
	if attrs == nil {
		return base, nil
	}
	return cty.ObjectVal(attrs), nil
}

// same reports whether two values of the field are equal.
func (f *field) same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.String:
		return a.String() == b.String()
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return a.Equal(b)
	default:
		return reflect.DeepEqual(a.Interface(), b.Interface())
	}
}

// FromJSON reads an object that an older version of the struct wrote: an
// attribute that it lacks is null, one that is no longer known is dropped.
func (t *Type) FromJSON(attrs map[string]json.RawMessage) (cty.Value, error) {
	values := make(map[string]cty.Value, len(t.fields))
	for i := range t.fields {
		name, ty := t.fields[i].name, t.value.AttributeType(t.fields[i].name)
		text, ok := attrs[name]
		if !ok {
			values[name] = cty.NullVal(ty)
			if t.fields[i].attr == nil && ty.IsListType() {
				values[name] = cty.ListValEmpty(ty.ElementType())
			}
			continue
		}
		v, err := ctyjson.Unmarshal(text, ty)
		if err != nil {
			return cty.NilVal, at(cty.GetAttrStep{Name: name}, err)
		}
		values[name] = v
	}
	return cty.ObjectVal(values), nil
}

// ComputedDiffers reports whether a computed field of a differs from b's.
func (t *Type) ComputedDiffers(a, b any) bool {
	x, y := reflect.Indirect(reflect.ValueOf(a)), reflect.Indirect(reflect.ValueOf(b))
	for i := range t.fields {
		f := &t.fields[i]
		if f.attr == nil || !f.attr.Computed {
			continue
		}
		if !reflect.DeepEqual(x.FieldByIndex(f.index).Interface(), y.FieldByIndex(f.index).Interface()) {
			return true
		}
	}
	return false
}

func (t *Type) source(from any) (reflect.Value, error) {
	source := reflect.Indirect(reflect.ValueOf(from))
	if !source.IsValid() || source.Type() != t.goType {
		return reflect.Value{}, fmt.Errorf("cannot encode %T: expected %s", from, t.goType)
	}
	return source, nil
}

func (t *Type) encodeFields(from reflect.Value, m Mode) (cty.Value, error) {
	attrs := make(map[string]cty.Value, len(t.fields))
	for i := range t.fields {
		f := &t.fields[i]
		v, err := f.encode(from.FieldByIndex(f.index), m)
		if err != nil {
			return cty.NilVal, at(cty.GetAttrStep{Name: f.name}, err)
		}
		attrs[f.name] = v
	}
	return cty.ObjectVal(attrs), nil
}

// encode decides what a zero field means; see Mode.
func (f *field) encode(from reflect.Value, m Mode) (cty.Value, error) {
	if f.attr == nil || m == verbatim || !from.IsZero() {
		return f.conv.encode(from, m)
	}
	hasDefault := f.attr.Default != cty.NilVal
	switch {
	case m == Wish && hasDefault:
		return f.attr.Default, nil
	case m == Wish && !f.attr.Required:
		return cty.NullVal(f.conv.ty), nil
	case m == Result && f.attr.Computed:
		return emptyNotNull(f.conv, from, m)
	case m == Result && f.attr.Optional && !hasDefault:
		return cty.NullVal(f.conv.ty), nil
	default:
		return emptyNotNull(f.conv, from, m)
	}
}

// emptyNotNull encodes a nil slice or map as an empty one.
func emptyNotNull(c converter, from reflect.Value, m Mode) (cty.Value, error) {
	switch from.Kind() {
	case reflect.Slice:
		return cty.ListValEmpty(c.ty.ElementType()), nil
	case reflect.Map:
		return cty.MapValEmpty(c.ty.ElementType()), nil
	default:
		return c.encode(from, m)
	}
}

func describe(v cty.Value) string {
	switch {
	case !v.IsKnown():
		return "an unknown value"
	case v.IsNull():
		return "null"
	default:
		return v.Type().FriendlyName()
	}
}

// Attribute returns the attribute called name, or nil.
func (t *Type) Attribute(name string) *schema.Attribute { return t.Block.Attribute(name) }
