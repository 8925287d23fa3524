package config

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// matchKeysFunc picks from a list where a list of the same length has one of
// the wanted keys.
func matchKeysFunc() function.Function {
	list := cty.List(cty.DynamicPseudoType)
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "values", Type: list}, {Name: "keys", Type: list}, {Name: "wanted", Type: list}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if typ, _ := convert.Unify([]cty.Type{args[1].Type(), args[2].Type()}); typ == cty.NilType {
				return cty.NilType, errors.New("keys and what is wanted of them must have one type")
			}
			return args[0].Type(), nil
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			if !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
				return cty.UnknownVal(want), nil
			}
			values, keys := args[0].AsValueSlice(), args[1].AsValueSlice()
			if len(values) != len(keys) {
				return cty.UnknownVal(want), function.NewArgErrorf(1, "there are %d keys for %d values", len(keys), len(values))
			}
			var picked []cty.Value
			for i, key := range keys {
				for _, wanted := range args[2].AsValueSlice() {
					if equal, err := stdlib.Equal(key, wanted); err == nil && equal.True() {
						picked = append(picked, values[i])
						break
					}
				}
			}
			if len(picked) == 0 {
				return cty.ListValEmpty(want.ElementType()), nil
			}
			return cty.ListVal(picked), nil
		},
	})
}

// transposeFunc makes a map of which keys' lists have a string.
func transposeFunc() function.Function {
	typ := cty.Map(cty.List(cty.String))
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "map", Type: typ}},
		Type:   function.StaticReturnType(typ),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(typ), nil
			}
			keys := map[string][]cty.Value{}
			for key, list := range args[0].Elements() {
				if list.IsNull() {
					return cty.UnknownVal(typ), function.NewArgErrorf(0, "the list of %q is null", key.AsString())
				}
				for _, element := range list.Elements() {
					if element.IsNull() {
						return cty.UnknownVal(typ), function.NewArgErrorf(0, "the list of %q has null in it", key.AsString())
					}
					keys[element.AsString()] = append(keys[element.AsString()], key)
				}
			}
			if len(keys) == 0 {
				return cty.MapValEmpty(cty.List(cty.String)), nil
			}
			lists := make(map[string]cty.Value, len(keys))
			for name, list := range keys {
				lists[name] = cty.ListVal(list)
			}
			return cty.MapVal(lists), nil
		},
	})
}
