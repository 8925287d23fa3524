package sdk

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/internal/typed"
)

// Data is a type of data source. DataSource makes one.
type Data interface {
	dataName() string
	describe() (*plugins.DataType, error)
	decodable(config cty.Value) error
	read(ctx context.Context, config cty.Value) (cty.Value, plugins.Diagnostics)
}

// DataSource returns a data source. T is a struct with nxc tags; read fills
// the computed fields of want and changes nothing outside.
func DataSource[T any](name string, read func(ctx context.Context, want *T) error) Data {
	t, err := typed.For[T]()
	return &data[T]{name: name, f: read, typ: t, err: err}
}

type data[T any] struct {
	name string
	f    func(ctx context.Context, want *T) error
	typ  *typed.Type
	err  error
}

func (d *data[T]) dataName() string { return d.name }

func (d *data[T]) describe() (*plugins.DataType, error) {
	if d.err != nil {
		return nil, d.err
	}
	return &plugins.DataType{Block: d.typ.Block}, refuseReserved(&d.typ.Block, blockArguments...)
}

func (d *data[T]) decodable(config cty.Value) error {
	_, err := d.typ.Decode(config, new(T))
	return err
}

func (d *data[T]) read(ctx context.Context, config cty.Value) (cty.Value, plugins.Diagnostics) {
	var want T
	if _, err := d.typ.Decode(config, &want); err != nil {
		return cty.NilVal, diagnose(err)
	}
	diags := guard(d.name, "Read", func() error { return d.f(ctx, &want) })
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	// A computed attribute is null in a configuration: what the provider left
	// at zero is zero, so it is encoded anew.
	v, err := d.typ.Merge(&want, unknownComputed(d.typ, config), nil)
	return v, append(diags, diagnose(err)...)
}

// unknownComputed returns v with unknown values for computed attributes that
// are null: those that the provider is to decide.
func unknownComputed(t *typed.Type, v cty.Value) cty.Value {
	attrs := v.AsValueMap()
	for i := range t.Block.Attributes {
		a := &t.Block.Attributes[i]
		if a.Computed && attrs[a.Name].IsNull() {
			attrs[a.Name] = cty.UnknownVal(a.Type)
		}
	}
	if len(attrs) == 0 {
		return v
	}
	return cty.ObjectVal(attrs)
}

// blockArguments are the arguments that nxc itself understands in every
// resource and data block.
var blockArguments = []string{"count", "for_each", "depends_on", "provider", "lifecycle"}
