package docker

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// callable returns the provider of an engine as the core sees it.
func callable(t *testing.T, e *engine) (plugins.Provider, *plugins.Schema) {
	t.Helper()
	p, err := sdk.New(provider(e))
	if err != nil {
		t.Fatal(err)
	}
	s, d := p.Schema(t.Context())
	if d.HasErrors() {
		t.Fatal(d)
	}
	return p, s
}

// value completes what a test sets of a block as the core would: defaults,
// null for what is left out, no nested blocks.
func value(t *testing.T, b schema.Block, set map[string]cty.Value) cty.Value {
	t.Helper()
	attrs := map[string]cty.Value{}
	for i := range b.Attributes {
		a := &b.Attributes[i]
		attrs[a.Name] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			attrs[a.Name] = a.Default
		}
	}
	for i := range b.Blocks {
		attrs[b.Blocks[i].Name] = cty.ListValEmpty(b.Blocks[i].Block.Type())
	}
	for name, v := range set {
		attrs[name] = v
	}
	v, err := convert.Convert(cty.ObjectVal(attrs), b.Type())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func str(s string) cty.Value { return cty.StringVal(s) }

func strs(s ...string) cty.Value {
	var l []cty.Value
	for _, one := range s {
		l = append(l, str(one))
	}
	return cty.TupleVal(l)
}
