package wire

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/nixos-compose/nxc/plugins"
)

// encode writes v in the type ty. Marks stay behind: what is sensitive is told
// by the schema. No value at all is null.
func encode(v cty.Value, ty cty.Type) ([]byte, error) {
	b, _, err := encodeAs(v, ty)
	return b, err
}

// encodeAs also reports whether decoding gives the very same value again.
func encodeAs(v cty.Value, ty cty.Type) (b []byte, same bool, err error) {
	same = true
	if v == cty.NilVal {
		v, same = cty.NullVal(ty), false
	}
	b, err = msgpack.Marshal(v, ty)
	if err != nil && v.ContainsMarked() { // rare, and looking for marks costs as much as writing
		v, _ = v.UnmarkDeep()
		b, err = msgpack.Marshal(v, ty)
		same = false
	}
	return b, same && v.Type().Equals(ty), err
}

// decode reads a value of the type ty; nothing at all is null.
func decode(b []byte, ty cty.Type) (cty.Value, error) {
	if len(b) == 0 {
		return cty.NullVal(ty), nil
	}
	return msgpack.Unmarshal(b, ty)
}

// types are the value types of a schema, worked out once.
type types struct {
	config    cty.Type
	resources map[string]cty.Type
	data      map[string]cty.Type
	flavours  map[string]cty.Type
}

func typesOf(s *plugins.Schema) *types {
	t := &types{
		config:    s.Config.Type(),
		resources: make(map[string]cty.Type, len(s.Resources)),
		data:      make(map[string]cty.Type, len(s.Data)),
		flavours:  make(map[string]cty.Type, len(s.Flavours)),
	}
	for name, r := range s.Resources {
		t.resources[name] = r.Block.Type()
	}
	for name, d := range s.Data {
		t.data[name] = d.Block.Type()
	}
	for name, f := range s.Flavours {
		t.flavours[name] = f.Block.Type()
	}
	return t
}

// of returns the type of what kind and name say.
func (t *types) of(kind plugins.Kind, name string) (cty.Type, error) {
	from := t.resources
	switch kind {
	case plugins.KindData:
		from = t.data
	case plugins.KindFlavour:
		from = t.flavours
	}
	ty, ok := from[name]
	if !ok {
		return cty.NilType, fmt.Errorf("the provider has no %s %q", kind, name)
	}
	return ty, nil
}

func (t *types) resource(name string) (cty.Type, error) { return t.of(plugins.KindResource, name) }

// failed is a diagnostic for a value that cannot be carried.
func failed(what string, err error) plugins.Diagnostics {
	return plugins.NewError(what+" cannot be passed between nxc and the provider", err.Error())
}
