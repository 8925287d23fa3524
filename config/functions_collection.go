package config

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/nixos-compose/nxc/internal/marks"
)

// lengthFunc counts elements, attributes or characters.
func lengthFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true, AllowMarked: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			typ := args[0].Type()
			if typ == cty.String || typ.IsTupleType() || typ.IsObjectType() || typ.IsCollectionType() || typ == cty.DynamicPseudoType {
				return cty.Number, nil
			}
			return cty.NilType, function.NewArgErrorf(0, "it must be a collection, an object or a string, and is %s", article(typ.FriendlyName()))
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, m := args[0].Unmark()
			switch typ := v.Type(); {
			case typ.IsTupleType():
				return cty.NumberIntVal(int64(len(typ.TupleElementTypes()))).WithMarks(m), nil
			case typ.IsObjectType():
				return cty.NumberIntVal(int64(len(typ.AttributeTypes()))).WithMarks(m), nil
			case !v.IsKnown():
				return cty.UnknownVal(cty.Number).WithMarks(m), nil
			case typ == cty.String:
				n, err := stdlib.Strlen(v)
				return n.WithMarks(m), err
			default:
				return v.Length().WithMarks(m), nil
			}
		},
	})
}

// lookupFunc is the element of a map, or a default.
func lookupFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
			{Name: "key", Type: cty.String, AllowMarked: true},
		},
		VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowMarked: true, AllowDynamicType: true},
		Type:     lookupType,
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			all, m := args[0].Unmark()
			key, keyMarks := args[1].Unmark()
			if found, ok := elementOf(all, key.AsString()); ok {
				return found.WithMarks(m, keyMarks), nil
			}
			if len(args) == 2 {
				return cty.UnknownVal(want), fmt.Errorf("there is no key %q, and no default", key.AsString())
			}
			fallback, err := convert.Convert(args[2], want)
			if err != nil {
				return cty.UnknownVal(want), function.NewArgErrorf(2, "the default must have the type of the elements: %s", typeError(err))
			}
			return fallback.WithMarks(m, keyMarks), nil
		},
	})
}

// lookupType is the type of what lookup returns.
func lookupType(args []cty.Value) (cty.Type, error) {
	if len(args) > 3 {
		return cty.NilType, errors.New("lookup takes a map, a key and a default")
	}
	all, _ := args[0].Unmark()
	switch typ := all.Type(); {
	case typ.IsMapType():
		return typ.ElementType(), nil
	case typ.IsObjectType():
		key, _ := args[1].Unmark()
		if key.IsKnown() && typ.HasAttribute(key.AsString()) {
			return typ.AttributeType(key.AsString()), nil
		}
		if key.IsKnown() && len(args) == 3 {
			return args[2].Type(), nil
		}
		return cty.DynamicPseudoType, nil
	default:
		return cty.NilType, function.NewArgErrorf(0, "it must be a map or an object, and is %s", article(typ.FriendlyName()))
	}
}

// elementOf returns an attribute of an object or an element of a map.
func elementOf(all cty.Value, key string) (cty.Value, bool) {
	switch {
	case all.Type().IsObjectType() && all.Type().HasAttribute(key):
		return all.GetAttr(key), true
	case all.Type().IsMapType() && all.HasIndex(cty.StringVal(key)).True():
		return all.Index(cty.StringVal(key)), true
	default:
		return cty.NilVal, false
	}
}

// indexFunc is the place of an element in a list.
func indexFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if typ := args[0].Type(); !typ.IsListType() && !typ.IsTupleType() {
				return cty.NilType, function.NewArgErrorf(0, "it must be a list, and is %s", article(typ.FriendlyName()))
			}
			return cty.Number, nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			for i, element := range args[0].Elements() {
				equal, err := stdlib.Equal(element, args[1])
				if err == nil && equal.IsKnown() && equal.True() {
					return i, nil
				}
			}
			return cty.UnknownVal(cty.Number), errors.New("the list does not have the value")
		},
	})
}

// oneFunc is the only element of a collection, or null when it is empty.
func oneFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			switch typ := args[0].Type(); {
			case typ.IsListType() || typ.IsSetType():
				return typ.ElementType(), nil
			case typ.IsTupleType() && typ.Length() == 1:
				return typ.TupleElementType(0), nil
			case typ.IsTupleType() && typ.Length() == 0:
				return cty.DynamicPseudoType, nil
			case typ.IsTupleType():
				return cty.NilType, function.NewArgErrorf(0, "it has %d elements, and may have one", typ.Length())
			default:
				return cty.NilType, function.NewArgErrorf(0, "it must be a list or a set, and is %s", article(typ.FriendlyName()))
			}
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			n := args[0].LengthInt()
			if n > 1 {
				return cty.UnknownVal(want), function.NewArgErrorf(0, "it has %d elements, and may have one", n)
			}
			for _, element := range args[0].Elements() {
				return element, nil
			}
			return cty.NullVal(want), nil
		},
	})
}

// rangeFunc counts: to an end, from a start, by steps.
func rangeFunc() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "number", Type: cty.Number},
		Type: func(args []cty.Value) (cty.Type, error) {
			if len(args) < 1 || len(args) > 3 {
				return cty.NilType, errors.New("range takes an end; a start and an end; or a start, an end and a step")
			}
			return cty.List(cty.Number), nil
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			start, step := cty.Zero, cty.NumberIntVal(1)
			end := args[0]
			if len(args) > 1 {
				start, end = args[0], args[1]
			}
			if down := end.LessThan(start).True(); len(args) == 3 {
				step = args[2]
				if step.Equals(cty.Zero).True() || step.LessThan(cty.Zero).True() != down && !end.Equals(start).True() {
					return cty.UnknownVal(want), function.NewArgErrorf(2, "steps of %s never reach the end", step.AsBigFloat().Text('f', -1))
				}
			} else if down {
				step = step.Negate()
			}
			var all []cty.Value
			for n := start; inRange(n, end, step); n = n.Add(step) {
				if len(all) == maxCount {
					return cty.UnknownVal(want), fmt.Errorf("more than %d numbers", maxCount)
				}
				all = append(all, n)
			}
			if len(all) == 0 {
				return cty.ListValEmpty(cty.Number), nil
			}
			return cty.ListVal(all), nil
		},
	})
}

// inRange reports whether n has not reached the end yet.
func inRange(n, end, step cty.Value) bool {
	if step.LessThan(cty.Zero).True() {
		return n.GreaterThan(end).True()
	}
	return n.LessThan(end).True()
}

// sumFunc adds numbers.
func sumFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			list, err := convert.Convert(args[0], cty.List(cty.Number))
			if err != nil {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "it must be a list of numbers: %s", typeError(err))
			}
			if !list.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			sum := cty.Zero
			for _, element := range list.Elements() {
				if element.IsKnown() && element.IsNull() {
					return cty.UnknownVal(cty.Number), function.NewArgErrorf(0, "it holds null, which is no number")
				}
				sum = sum.Add(element)
			}
			return sum, nil
		},
	})
}

// boolFold is alltrue (and) or anytrue (or); start is its value for no elements.
func boolFold(start bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := false
			for _, element := range args[0].Elements() {
				switch {
				case !element.IsKnown():
					unknown = true
				case start != (!element.IsNull() && element.True()):
					return cty.BoolVal(!start), nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(start), nil
		},
	})
}

// conversion makes tostring, toset and the like.
func conversion(want cty.Type) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			have := args[0].Type()
			if have.Equals(want) {
				return want, nil
			}
			converted, err := convert.Convert(cty.UnknownVal(have), want)
			if err != nil {
				return cty.NilType, function.NewArgErrorf(0, "%s cannot become %s: %s", article(have.FriendlyName()), article(want.FriendlyNameForConstraint()), typeError(err))
			}
			return converted.Type(), nil
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			value, err := convert.Convert(args[0], want)
			if err == nil {
				return value, nil
			}
			if marks.IsSensitive(args[0]) {
				return cty.NilVal, function.NewArgErrorf(0, "the sensitive value cannot become %s", article(want.FriendlyName()))
			}
			return cty.NilVal, function.NewArgErrorf(0, "it cannot become %s: %s", article(want.FriendlyName()), typeError(err))
		},
	})
}

// anyValue is a parameter that takes everything as it is.
func anyValue() []function.Parameter {
	return []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowMarked: true, AllowDynamicType: true}}
}

func sameType(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil }

func sensitiveFunc() function.Function {
	return function.New(&function.Spec{
		Params: anyValue(),
		Type:   sameType,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return args[0].Mark(marks.Sensitive), nil
		},
	})
}

// nonsensitiveFunc takes the mark off the value itself and off everything in it.
func nonsensitiveFunc() function.Function {
	return function.New(&function.Spec{
		Params: anyValue(),
		Type:   sameType,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			value, places := args[0].UnmarkDeepWithPaths()
			for i := range places {
				delete(places[i].Marks, marks.Sensitive)
			}
			return value.MarkWithPaths(places), nil
		},
	})
}

func isSensitiveFunc() function.Function {
	return function.New(&function.Spec{
		Params: anyValue(),
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(marks.IsSensitive(args[0])), nil
		},
	})
}
