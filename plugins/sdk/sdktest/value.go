package sdktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// configValue turns what a test gives into a value of the block.
func configValue(t *testing.T, b *schema.Block, given any) cty.Value {
	t.Helper()
	if v, ok := given.(cty.Value); ok {
		return v
	}
	if given == nil {
		given = map[string]any{}
	}
	text, err := json.Marshal(given)
	if err != nil {
		t.Fatalf("the configuration %v: %v", given, err)
	}
	v, err := blockValue(b, text)
	if err != nil {
		t.Fatalf("the configuration %s: %v", text, err)
	}
	return v
}

// blockValue reads a block's body as JSON. What is left out is null, also in
// nested blocks.
func blockValue(b *schema.Block, text json.RawMessage) (cty.Value, error) {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(text, &body); err != nil {
		return cty.NilVal, err
	}
	attrs := map[string]cty.Value{}
	for i := range b.Attributes {
		a := &b.Attributes[i]
		attrs[a.Name] = cty.NullVal(a.Type)
		if given, ok := body[a.Name]; ok {
			v, err := ctyjson.Unmarshal(given, a.Type)
			if err != nil {
				return cty.NilVal, fmt.Errorf("attribute %s: %w", a.Name, err)
			}
			attrs[a.Name] = v
			delete(body, a.Name)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		v, err := nestedValue(n, body[n.Name])
		if err != nil {
			return cty.NilVal, fmt.Errorf("block %s: %w", n.Name, err)
		}
		attrs[n.Name] = v
		delete(body, n.Name)
	}
	if len(body) > 0 {
		return cty.NilVal, fmt.Errorf("unknown: %s", strings.Join(slices.Sorted(maps.Keys(body)), ", "))
	}
	return cty.ObjectVal(attrs), nil
}

func nestedValue(n *schema.NestedBlock, given json.RawMessage) (cty.Value, error) {
	ty := n.Block.Type()
	if n.Nesting == schema.Single {
		if given == nil {
			return cty.NullVal(ty), nil
		}
		return blockValue(&n.Block, given)
	}
	var items []json.RawMessage
	if given != nil {
		if err := json.Unmarshal(given, &items); err != nil {
			return cty.NilVal, err
		}
	}
	if len(items) == 0 {
		return cty.ListValEmpty(ty), nil
	}
	values := make([]cty.Value, len(items))
	for i, item := range items {
		v, err := blockValue(&n.Block, item)
		if err != nil {
			return cty.NilVal, err
		}
		values[i] = v
	}
	return cty.ListVal(values), nil
}

// propose makes of a configuration what core proposes: defaults filled in,
// computed attributes as they were, or unknown in a new object.
func propose(b *schema.Block, config, prior cty.Value) cty.Value {
	attrs := map[string]cty.Value{}
	for i := range b.Attributes {
		a := &b.Attributes[i]
		given := config.GetAttr(a.Name)
		switch {
		case !given.IsNull():
			attrs[a.Name] = given
		case a.Default != cty.NilVal:
			attrs[a.Name] = a.Default
		case a.Computed && prior.IsNull():
			attrs[a.Name] = cty.UnknownVal(a.Type)
		case a.Computed:
			attrs[a.Name] = prior.GetAttr(a.Name)
		default:
			attrs[a.Name] = given
		}
	}
	for i := range b.Blocks {
		attrs[b.Blocks[i].Name] = proposeNested(&b.Blocks[i], config.GetAttr(b.Blocks[i].Name), prior)
	}
	return cty.ObjectVal(attrs)
}

func proposeNested(n *schema.NestedBlock, config, prior cty.Value) cty.Value {
	ty := n.Block.Type()
	before := cty.NullVal(ty)
	if !prior.IsNull() {
		before = prior.GetAttr(n.Name)
	}
	if config.IsNull() {
		return config
	}
	if n.Nesting == schema.Single {
		return propose(&n.Block, config, before)
	}
	if config.LengthInt() == 0 {
		return config
	}
	var items []cty.Value
	for i, item := range config.AsValueSlice() {
		was := cty.NullVal(ty)
		if !before.IsNull() && i < before.LengthInt() {
			was = before.Index(cty.NumberIntVal(int64(i)))
		}
		items = append(items, propose(&n.Block, item, was))
	}
	return cty.ListVal(items)
}

// changes lists the attributes in which two objects differ, sorted, each with
// both values. What is unknown in want agrees with everything.
func changes(want, got cty.Value, ignore []string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want.Type().AttributeTypes())) {
		if slices.Contains(ignore, name) {
			continue
		}
		w, g := want.GetAttr(name), got.GetAttr(name)
		if !agrees(w, g) {
			out = append(out, fmt.Sprintf("%s: %s -> %s", name, show(w), show(g)))
		}
	}
	return out
}

// agrees reports whether got is what want says where it says something.
func agrees(want, got cty.Value) bool {
	if want.IsWhollyKnown() || !want.IsKnown() || want.IsNull() || got.IsNull() || !got.IsKnown() {
		return !want.IsKnown() || want.RawEquals(got)
	}
	ty := want.Type()
	switch {
	case ty.IsObjectType():
		for name := range ty.AttributeTypes() {
			if !agrees(want.GetAttr(name), got.GetAttr(name)) {
				return false
			}
		}
		return true
	case ty.IsListType():
		if want.LengthInt() != got.LengthInt() {
			return false
		}
		for i := range want.LengthInt() {
			index := cty.NumberIntVal(int64(i))
			if !agrees(want.Index(index), got.Index(index)) {
				return false
			}
		}
		return true
	default:
		return true // maps with unknown elements
	}
}

func show(v cty.Value) string {
	switch {
	case !v.IsKnown():
		return "(unknown)"
	case v.IsNull():
		return "null"
	case !v.IsWhollyKnown():
		return "(partly unknown)"
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	if len(text) > 200 {
		return string(text[:200]) + "…"
	}
	return string(text)
}
