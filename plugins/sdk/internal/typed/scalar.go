package typed

import (
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

var stringConverter = converter{
	ty:     cty.String,
	decode: func(v cty.Value, into reflect.Value) error { into.SetString(v.AsString()); return nil },
	encode: func(from reflect.Value, _ Mode) (cty.Value, error) { return cty.StringVal(from.String()), nil },
}

var boolConverter = converter{
	ty:     cty.Bool,
	decode: func(v cty.Value, into reflect.Value) error { into.SetBool(v.True()); return nil },
	encode: func(from reflect.Value, _ Mode) (cty.Value, error) { return cty.BoolVal(from.Bool()), nil },
}

var intConverter = converter{
	ty: cty.Number,
	decode: func(v cty.Value, into reflect.Value) error {
		n, accuracy := v.AsBigFloat().Int64()
		if accuracy != big.Exact || into.OverflowInt(n) {
			return notANumber(v, into)
		}
		into.SetInt(n)
		return nil
	},
	encode: func(from reflect.Value, _ Mode) (cty.Value, error) { return cty.NumberIntVal(from.Int()), nil },
}

var uintConverter = converter{
	ty: cty.Number,
	decode: func(v cty.Value, into reflect.Value) error {
		n, accuracy := v.AsBigFloat().Uint64()
		if accuracy != big.Exact || into.OverflowUint(n) {
			return notANumber(v, into)
		}
		into.SetUint(n)
		return nil
	},
	encode: func(from reflect.Value, _ Mode) (cty.Value, error) { return cty.NumberUIntVal(from.Uint()), nil },
}

func notANumber(v cty.Value, into reflect.Value) error {
	number := v.AsBigFloat()
	if !number.IsInt() {
		return fmt.Errorf("must be a whole number, not %s", number.Text('g', 12))
	}
	least, most := int64(0), uint64(1)<<into.Type().Bits()-1
	if into.CanInt() {
		least, most = -1<<(into.Type().Bits()-1), uint64(1)<<(into.Type().Bits()-1)-1
	}
	return fmt.Errorf("must be a whole number from %d to %d, not %s", least, most, number.Text('f', 0))
}

var floatConverter = converter{
	ty: cty.Number,
	decode: func(v cty.Value, into reflect.Value) error {
		n, _ := v.AsBigFloat().Float64()
		into.SetFloat(n)
		return nil
	},
	encode: func(from reflect.Value, _ Mode) (cty.Value, error) { return cty.NumberFloatVal(from.Float()), nil },
}

// durationConverter writes durations as Go and people do: "1h30m".
var durationConverter = converter{
	ty: cty.String,
	decode: func(v cty.Value, into reflect.Value) error {
		d, err := time.ParseDuration(v.AsString())
		if err != nil {
			return fmt.Errorf(`must be a duration such as "90s" or "1h30m", not %q`, v.AsString())
		}
		into.SetInt(int64(d))
		return nil
	},
	encode: func(from reflect.Value, _ Mode) (cty.Value, error) {
		return cty.StringVal(shortDuration(time.Duration(from.Int()))), nil
	},
}

// shortDuration writes 1h0m0s as 1h.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var anyConverter = converter{
	ty:     cty.DynamicPseudoType,
	decode: func(v cty.Value, into reflect.Value) error { into.Set(reflect.ValueOf(v)); return nil },
	encode: func(from reflect.Value, _ Mode) (cty.Value, error) {
		v := from.Interface().(cty.Value)
		if v == cty.NilVal {
			return cty.NullVal(cty.DynamicPseudoType), nil
		}
		return v, nil
	},
}
