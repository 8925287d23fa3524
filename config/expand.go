package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
)

// maxCount bounds what one block expands to. A greater number is a mistake.
const maxCount = 1_000_000

// Kind says how the instances of a block are told apart.
type Kind uint8

const (
	Single  Kind = iota // one, without a key
	Count               // numbered from 0
	ForEach             // by string
)

// Expansion is which instances a block has.
type Expansion struct {
	Kind   Kind
	Keys   []addr.Key  // sorted
	values []cty.Value // each.value of each key
}

// repeat is an evaluated count or for_each.
type repeat struct {
	expansion Expansion
	diags     hcl.Diagnostics
}

// Expand evaluates the block's count or for_each, once. Which instances there
// are must be known; the values of for_each need not be.
func (e *Evaluator) Expand(r *Resource) (Expansion, hcl.Diagnostics) {
	if r.Count == nil && r.ForEach == nil {
		return Expansion{Kind: Single, Keys: []addr.Key{addr.NoKey}}, nil
	}
	if known, ok := e.repeats.Load(r); ok {
		return known.(repeat).expansion, known.(repeat).diags
	}
	scope, diags := e.collect(e.config.references[entity{kind: blockEntity, block: r.Addr}], inRepetition, nil)
	var x repeat
	switch {
	case diags.HasErrors():
		x.diags = diags
	case r.Count != nil:
		x.expansion, x.diags = expandCount(r, scope)
	default:
		x.expansion, x.diags = expandForEach(r.Addr.String(), r.ForEach, scope)
	}
	if scope.settled {
		e.repeats.Store(r, x)
	}
	return x.expansion, x.diags
}

func expandCount(r *Resource, s scope) (Expansion, hcl.Diagnostics) {
	x := Expansion{Kind: Count}
	value, diags := evaluate(r.Count, s.EvalContext)
	if diags.HasErrors() {
		return x, diags
	}
	if diag := usable(r.Count, value, s, "count", "how many there are"); diag != nil {
		return x, append(diags, diag)
	}
	at := r.Count.Range()
	number, err := convert.Convert(value, cty.Number)
	if err != nil || number.IsNull() {
		return x, append(diags, errorAt(at, "Not a count", "count of %s must be a whole number from 0; this is %s.", r.Addr, typeName(value)))
	}
	big := number.AsBigFloat()
	switch n, accuracy := big.Int64(); {
	case big.Sign() < 0:
		return x, append(diags, errorAt(at, "Count below zero", "count of %s is %s. It must be a whole number from 0; 0 makes none.", r.Addr, big.Text('f', -1)))
	case accuracy != 0:
		return x, append(diags, errorAt(at, "Not a count", "count of %s is %s. It must be a whole number; floor() and ceil() round.", r.Addr, big.Text('g', 10)))
	case n > maxCount:
		return x, append(diags, errorAt(at, "Count too big", "count of %s is %d, and one block makes at most %d instances.", r.Addr, n, maxCount))
	default:
		x.Keys = make([]addr.Key, n)
		for i := range x.Keys {
			x.Keys[i] = addr.IntKey(i)
		}
		return x, diags
	}
}

// expandForEach evaluates the for_each of what messages call so.
func expandForEach(of string, expr hcl.Expression, s scope) (Expansion, hcl.Diagnostics) {
	x := Expansion{Kind: ForEach}
	value, diags := evaluate(expr, s.EvalContext)
	if diags.HasErrors() {
		return x, diags
	}
	if diag := usable(expr, value, s, "for_each", "which instances there are"); diag != nil {
		return x, append(diags, diag)
	}
	at := expr.Range()
	typ := value.Type()
	switch {
	case value.IsNull():
		return x, append(diags, errorAt(at, "Nothing to repeat", "for_each of %s is null. An empty map, {}, makes no instance.", of))
	case typ.IsTupleType() || typ.IsListType():
		return x, append(diags, errorAt(at, "Not a map or a set", "for_each of %s takes a map or a set of strings, whose keys name the instances; this is a list. Make it a set with toset(…).", of))
	case !typ.IsMapType() && !typ.IsObjectType() && !typ.IsSetType():
		return x, append(diags, errorAt(at, "Not a map or a set", "for_each of %s takes a map or a set of strings; this is %s.", of, typeName(value)))
	case typ.IsSetType() && typ.ElementType() != cty.String && value.LengthInt() > 0:
		return x, append(diags, errorAt(at, "Not a set of strings", "for_each of %s takes a map or a set of strings; this is a set of %s.", of, typ.ElementType().FriendlyName()))
	}
	return eachInstance(of, at, x, value, diags)
}

// eachInstance reads keys and values of a map, or of a set of strings.
func eachInstance(of string, at hcl.Range, x Expansion, value cty.Value, diags hcl.Diagnostics) (Expansion, hcl.Diagnostics) {
	type instance struct {
		key   addr.Key
		value cty.Value
	}
	var all []instance
	for key, element := range value.Elements() {
		if value.Type().IsSetType() {
			key = element
		}
		if key.IsNull() {
			return x, append(diags, errorAt(at, "Nothing to repeat", "for_each of %s has null in its set, and null cannot name an instance.", of))
		}
		all = append(all, instance{addr.StringKey(key.AsString()), element})
	}
	slices.SortFunc(all, func(a, b instance) int { return a.key.Compare(b.key) })
	for _, i := range all {
		x.Keys = append(x.Keys, i.key)
		x.values = append(x.values, i.value)
	}
	return x, diags
}

// usable reports a count or for_each that is sensitive or whose instances are
// not known. for_each may have unknown values.
func usable(expr hcl.Expression, value cty.Value, s scope, name, what string) *hcl.Diagnostic {
	if keysSensitive(value) {
		return errorAt(expr.Range(), "Sensitive value", "%s cannot be sensitive, because %s is shown. nonsensitive(…) says that this may be known.", name, what)
	}
	plain, _ := value.Unmark()
	if plain.IsKnown() && (!plain.Type().IsSetType() || plain.IsWhollyKnown()) {
		return nil
	}
	return errorAt(expr.Range(), "Not known yet", "%s must be known when planning, because it says %s. %s Use a value that the configuration itself gives, or apply what it comes from first.",
		name, what, unknownCause(expr, s.EvalContext))
}

// keysSensitive reports whether the number or the keys are sensitive.
func keysSensitive(value cty.Value) bool {
	if !value.IsMarked() {
		return value.Type().IsSetType() && marks.IsSensitive(value)
	}
	return value.HasMark(marks.Sensitive)
}

// unknownCause says which references of an expression are not known.
func unknownCause(expr hcl.Expression, ctx *hcl.EvalContext) string {
	var unknown []string
	for _, t := range expr.Variables() {
		value, diags := t.TraverseAbs(ctx)
		if text := spell(t); !diags.HasErrors() && !value.IsWhollyKnown() && !slices.Contains(unknown, text) {
			unknown = append(unknown, text)
		}
	}
	switch len(unknown) {
	case 0:
		return "Its value is known only after the apply."
	case 1:
		return unknown[0] + " is known only after the apply."
	default:
		last := len(unknown) - 1
		return strings.Join(unknown[:last], ", ") + " and " + unknown[last] + " are known only after the apply."
	}
}

// typeName spells the type of a value for a sentence.
func typeName(value cty.Value) string {
	if value.IsNull() {
		return "null"
	}
	if value.Type().IsTupleType() {
		return "a list"
	}
	return article(value.Type().FriendlyName())
}

// instanceScope adds count.index or each to a block's scope.
func (e *Evaluator) instanceScope(r *Resource, x Expansion, key addr.Key, s scope) (scope, hcl.Diagnostics) {
	if x.Kind == Single {
		return s, nil
	}
	child := s.NewChild()
	s.EvalContext = child
	if n, ok := key.Int(); ok {
		child.Variables = map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(int64(n))})}
		return s, nil
	}
	text, _ := key.Text()
	value, diags := e.eachValue(r, x, key)
	child.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(text), "value": value})}
	return s, diags
}

// eachValue returns each.value. One that was not known when the block was
// expanded is evaluated again.
func (e *Evaluator) eachValue(r *Resource, x Expansion, key addr.Key) (cty.Value, hcl.Diagnostics) {
	value := x.value(key)
	if value != cty.NilVal && value.IsWhollyKnown() {
		return value, nil
	}
	again, diags := e.Expand(r)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if value = again.value(key); value == cty.NilVal {
		text, _ := key.Text()
		return cty.DynamicVal, hcl.Diagnostics{errorAt(r.ForEach.Range(), "Instance vanished", "for_each of %s had the key %s when it was planned, and has it no more. Plan again.", r.Addr, strconv.Quote(text))}
	}
	return value, nil
}

// value returns each.value of a key, or cty.NilVal.
func (x Expansion) value(key addr.Key) cty.Value {
	i, ok := slices.BinarySearchFunc(x.Keys, key, addr.Key.Compare)
	if !ok || i >= len(x.values) {
		return cty.NilVal
	}
	return x.values[i]
}
