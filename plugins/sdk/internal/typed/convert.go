package typed

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// converter converts between one Go type and one cty type. decode is given
// known, non-null values only; what is null or unknown becomes the zero value.
type converter struct {
	ty     cty.Type
	decode func(v cty.Value, into reflect.Value) error
	encode func(from reflect.Value, m Mode) (cty.Value, error)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	valueType    = reflect.TypeFor[cty.Value]()
)

// converterFor returns the converter of a Go type; inside says that it is the
// element of a list or map, where values of any type cannot stand.
func converterFor(t reflect.Type, within []reflect.Type, inside bool) (converter, error) {
	switch t {
	case durationType:
		return durationConverter, nil
	case valueType:
		if inside {
			return converter{}, fmt.Errorf("cty.Value cannot be the element of a list or map")
		}
		return anyConverter, nil
	}
	switch t.Kind() {
	case reflect.String:
		return stringConverter, nil
	case reflect.Bool:
		return boolConverter, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return intConverter, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return uintConverter, nil
	case reflect.Float32, reflect.Float64:
		return floatConverter, nil
	case reflect.Pointer:
		elem, err := converterFor(t.Elem(), within, inside)
		if err != nil {
			return converter{}, err
		}
		return pointerConverter(elem), nil
	case reflect.Slice:
		elem, err := converterFor(t.Elem(), within, true)
		if err != nil {
			return converter{}, err
		}
		return sliceConverter(elem), nil
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return converter{}, fmt.Errorf("a map needs string keys, not %s", t.Key())
		}
		elem, err := converterFor(t.Elem(), within, true)
		if err != nil {
			return converter{}, err
		}
		return mapConverter(elem), nil
	case reflect.Struct:
		nested, err := derive(t, within)
		if err != nil {
			return converter{}, err
		}
		if len(nested.Block.Blocks) > 0 {
			return converter{}, fmt.Errorf("%s has blocks inside and needs ,block itself", t)
		}
		return structConverter(nested), nil
	default:
		return converter{}, fmt.Errorf("cannot hold %s: use string, bool, numbers, time.Duration, slices, maps, structs, pointers or cty.Value", t)
	}
}

// set decodes v, whatever it is.
func (c converter) set(v cty.Value, into reflect.Value) error {
	if !v.IsKnown() || v.IsNull() {
		if into.Type() == valueType {
			into.Set(reflect.ValueOf(v))
			return nil
		}
		into.SetZero()
		return nil
	}
	return c.decode(v, into)
}

func pointerConverter(elem converter) converter {
	return converter{
		ty: elem.ty,
		decode: func(v cty.Value, into reflect.Value) error {
			into.Set(reflect.New(into.Type().Elem()))
			return elem.set(v, into.Elem())
		},
		encode: func(from reflect.Value, m Mode) (cty.Value, error) {
			if from.IsNil() {
				return cty.NullVal(elem.ty), nil
			}
			return elem.encode(from.Elem(), m)
		},
	}
}

func sliceConverter(elem converter) converter {
	return converter{
		ty: cty.List(elem.ty),
		decode: func(v cty.Value, into reflect.Value) error {
			slice := reflect.MakeSlice(into.Type(), v.LengthInt(), v.LengthInt())
			i := 0
			for _, item := range v.Elements() {
				if err := elem.set(item, slice.Index(i)); err != nil {
					return at(cty.IndexStep{Key: cty.NumberIntVal(int64(i))}, err)
				}
				i++
			}
			into.Set(slice)
			return nil
		},
		encode: func(from reflect.Value, m Mode) (cty.Value, error) {
			if from.IsNil() {
				return cty.NullVal(cty.List(elem.ty)), nil
			}
			if from.Len() == 0 {
				return cty.ListValEmpty(elem.ty), nil
			}
			items := make([]cty.Value, from.Len())
			for i := range items {
				item, err := elem.encode(from.Index(i), m)
				if err != nil {
					return cty.NilVal, at(cty.IndexStep{Key: cty.NumberIntVal(int64(i))}, err)
				}
				items[i] = item
			}
			return cty.ListVal(items), nil
		},
	}
}

func mapConverter(elem converter) converter {
	return converter{
		ty: cty.Map(elem.ty),
		decode: func(v cty.Value, into reflect.Value) error {
			m := reflect.MakeMapWithSize(into.Type(), v.LengthInt())
			for key, item := range v.Elements() {
				value := reflect.New(into.Type().Elem()).Elem()
				if err := elem.set(item, value); err != nil {
					return at(cty.IndexStep{Key: key}, err)
				}
				m.SetMapIndex(reflect.ValueOf(key.AsString()).Convert(into.Type().Key()), value)
			}
			into.Set(m)
			return nil
		},
		encode: func(from reflect.Value, m Mode) (cty.Value, error) {
			if from.IsNil() {
				return cty.NullVal(cty.Map(elem.ty)), nil
			}
			if from.Len() == 0 {
				return cty.MapValEmpty(elem.ty), nil
			}
			items := make(map[string]cty.Value, from.Len())
			for iter := from.MapRange(); iter.Next(); {
				item, err := elem.encode(iter.Value(), m)
				if err != nil {
					return cty.NilVal, at(cty.IndexStep{Key: cty.StringVal(iter.Key().String())}, err)
				}
				items[iter.Key().String()] = item
			}
			return cty.MapVal(items), nil
		},
	}
}

// structConverter holds a struct as an object attribute, every field as it is.
func structConverter(t *Type) converter {
	return converter{
		ty:     t.value,
		decode: func(v cty.Value, into reflect.Value) error { return t.decodeFields(v, into) },
		encode: func(from reflect.Value, _ Mode) (cty.Value, error) { return t.encodeFields(from, verbatim) },
	}
}

// blockConverter holds nested blocks: one, or a list of them.
func blockConverter(goType reflect.Type, t *Type) converter {
	one := converter{
		ty:     t.value,
		decode: func(v cty.Value, into reflect.Value) error { return t.decodeFields(v, into) },
		encode: func(from reflect.Value, m Mode) (cty.Value, error) { return t.encodeFields(from, m) },
	}
	switch goType.Kind() {
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Pointer {
			one = pointerConverter(one)
		}
		many := sliceConverter(one)
		encode := many.encode
		many.encode = func(from reflect.Value, m Mode) (cty.Value, error) {
			if from.Len() == 0 { // no block is no block
				return cty.ListValEmpty(t.value), nil
			}
			return encode(from, m)
		}
		return many
	case reflect.Pointer:
		return pointerConverter(one)
	default:
		encode := one.encode
		one.encode = func(from reflect.Value, m Mode) (cty.Value, error) {
			if from.IsZero() {
				return cty.NullVal(t.value), nil
			}
			return encode(from, m)
		}
		return one
	}
}

// parseDefault reads the default of a tag: a string as it stands, anything
// else as JSON.
func parseDefault(text string, ty cty.Type) (cty.Value, error) {
	if ty == cty.String {
		return cty.StringVal(text), nil
	}
	if ty.IsPrimitiveType() {
		v, err := convert.Convert(cty.StringVal(text), ty)
		if err != nil {
			return cty.NilVal, fmt.Errorf("default %q: %w", text, err)
		}
		return v, nil
	}
	v, err := ctyjson.Unmarshal([]byte(text), ty)
	if err != nil {
		return cty.NilVal, fmt.Errorf("default %q: %w", text, err)
	}
	return v, nil
}

// at puts a step before the path of a conversion error.
func at(step cty.PathStep, err error) error {
	if pe, ok := err.(cty.PathError); ok {
		pe.Path = slices.Insert(slices.Clone(pe.Path), 0, step)
		return pe
	}
	return cty.Path{step}.NewError(err)
}
