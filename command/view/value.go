package view

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plan"
)

// Value writes a value on one line, as HCL would.
func Value(v cty.Value) string {
	if v.IsMarked() {
		return "(sensitive)"
	}
	switch {
	case !v.IsKnown():
		return "(known after apply)"
	case v.IsNull():
		return "null"
	}
	t := v.Type()
	switch {
	case t == cty.String:
		return strconv.Quote(v.AsString())
	case t == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case t == cty.Bool:
		return strconv.FormatBool(v.True())
	case t.IsListType() || t.IsSetType() || t.IsTupleType():
		var parts []string
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			parts = append(parts, Value(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case t.IsMapType() || t.IsObjectType():
		var parts []string
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			parts = append(parts, k.AsString()+" = "+Value(e))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return t.FriendlyName()
}

// Lines writes a value as Value does, and over several lines what is too long for
// one of width columns; 0 is not known.
func Lines(v cty.Value, width int) string { return broken(v, cmp.Or(width, 100), "") }

func broken(v cty.Value, width int, indent string) string {
	line := Value(v)
	if utf8.RuneCountInString(indent+line) <= width || v.IsMarked() || !v.IsKnown() || v.IsNull() || !v.CanIterateElements() || v.LengthInt() == 0 {
		return line
	}
	keyed := v.Type().IsMapType() || v.Type().IsObjectType()
	begin, end := "[", "]"
	if keyed {
		begin, end = "{", "}"
	}
	inner := indent + "  "
	var b strings.Builder
	b.WriteString(begin + "\n")
	for it := v.ElementIterator(); it.Next(); {
		k, element := it.Element()
		if keyed {
			b.WriteString(inner + k.AsString() + " = " + broken(element, width, inner) + "\n")
		} else {
			b.WriteString(inner + broken(element, width, inner) + ",\n")
		}
	}
	return b.String() + indent + end
}

// attributeLine is one attribute of a change.
type attributeLine struct {
	name          string
	before, after string // before is "" when there was none
	forces        bool
}

// attributeLines lists what a change sets or changes, by attribute.
func attributeLines(c *plan.Change) []attributeLine {
	forces := map[string]bool{}
	for _, r := range c.Reasons {
		if len(r.Path) > 0 {
			if step, ok := r.Path[0].(cty.GetAttrStep); ok {
				forces[step.Name] = true
			}
		}
	}
	return diffLines(c.Before, c.After, forces)
}

func diffLines(before, after cty.Value, forces map[string]bool) []attributeLine {
	if after == cty.NilVal || !after.IsKnown() || after.IsNull() {
		return nil
	}
	after, _ = after.Unmark()
	if before != cty.NilVal {
		before, _ = before.Unmark()
	}
	names := make([]string, 0, after.LengthInt())
	for name := range after.Type().AttributeTypes() {
		names = append(names, name)
	}
	slices.Sort(names)
	var lines []attributeLine
	for _, name := range names {
		now := after.GetAttr(name)
		if before == cty.NilVal || before.IsNull() || !before.Type().HasAttribute(name) {
			if plain, _ := now.Unmark(); !plain.IsKnown() || !plain.IsNull() && !empty(plain) {
				lines = append(lines, attributeLine{name: name, after: Value(now)})
			}
			continue
		}
		was := before.GetAttr(name)
		if same(was, now) {
			continue
		}
		lines = append(lines, attributeLine{name: name, before: Value(was), after: Value(now), forces: forces[name]})
	}
	return lines
}

func empty(v cty.Value) bool {
	t := v.Type()
	return (t.IsCollectionType() || t.IsTupleType()) && v.LengthInt() == 0
}

func same(a, b cty.Value) bool {
	a, _ = a.UnmarkDeep()
	b, _ = b.UnmarkDeep()
	return a.RawEquals(b)
}

// Elapsed writes a duration in seconds for people.
func Elapsed(seconds float64) string {
	switch {
	case seconds < 10:
		return fmt.Sprintf("%.1fs", seconds)
	case seconds < 60:
		return fmt.Sprintf("%.0fs", seconds)
	}
	return fmt.Sprintf("%dm%02ds", int(seconds)/60, int(seconds)%60)
}
