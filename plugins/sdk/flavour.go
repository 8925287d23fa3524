package sdk

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
	"github.com/nixos-compose/nxc/plugins/sdk/internal/typed"
)

// Flavour is a way to run a composition. NewFlavour makes one.
type Flavour interface {
	flavourName() string
	describe() (*plugins.Flavour, error)
	decodable(config cty.Value) error
	expand(ctx context.Context, r plugins.ExpandRequest) (*plugins.Expansion, plugins.Diagnostics)
}

// ExpandRequest is plugins.ExpandRequest with the flavour block decoded.
type ExpandRequest[C any] struct {
	plugins.ExpandRequest
	Flavour C
	unknown map[string]bool
}

// Unknown reports whether an attribute of the flavour block is known only
// during apply; its field then has the zero value. Which resources there are
// must not depend on it.
func (r *ExpandRequest[C]) Unknown(name string) bool { return r.unknown[name] }

// FlavourOptions say what else a flavour can do.
type FlavourOptions struct {
	// Switches: where the user writes update = "switch", a role has Switch, and
	// its nodes take on another system while they run; see Switch.
	Switches bool

	// Nodes: what the Nix half makes depends on which nodes there are, so its
	// functions get `nodes`, a set of each node's role, and its entry may take
	// `arguments`, what the flavour block says. Of another flavour's evaluation
	// neither is a part.
	Nodes bool
}

// NewFlavour returns a flavour. C is a struct with nxc tags for the flavour
// block, sources are its Nix files (see Sources), and expand says what a
// deployment consists of.
func NewFlavour[C any](name string, sources map[string]string, expand func(ctx context.Context, r ExpandRequest[C], out *Expansion) error, o ...FlavourOptions) Flavour {
	t, err := typed.For[C]()
	f := &flavour[C]{name: name, sources: sources, f: expand, typ: t, err: err}
	if len(o) > 0 {
		f.options = o[0]
	}
	return f
}

type flavour[C any] struct {
	name    string
	sources map[string]string
	f       func(ctx context.Context, r ExpandRequest[C], out *Expansion) error
	options FlavourOptions
	typ     *typed.Type
	err     error
}

func (f *flavour[C]) flavourName() string { return f.name }

func (f *flavour[C]) describe() (*plugins.Flavour, error) {
	if f.err != nil {
		return nil, f.err
	}
	if err := refuseReserved(&f.typ.Block, "type", "default", "provider", "update"); err != nil {
		return nil, err
	}
	return &plugins.Flavour{Block: f.typ.Block, Sources: f.sources, Switches: f.options.Switches, Nodes: f.options.Nodes}, nil
}

func (f *flavour[C]) decodable(config cty.Value) error {
	_, err := f.typ.Decode(config, new(C))
	return err
}

func (f *flavour[C]) expand(ctx context.Context, r plugins.ExpandRequest) (*plugins.Expansion, plugins.Diagnostics) {
	request := ExpandRequest[C]{ExpandRequest: r}
	unknown, err := f.typ.Decode(r.Config, &request.Flavour)
	if err != nil {
		return nil, diagnose(err)
	}
	request.unknown = unknown
	var out Expansion
	d := guard(f.name, "Expand", func() error { return f.f(ctx, request, &out) })
	d = append(d, out.errs...)
	if d.HasErrors() {
		return nil, d
	}
	return &out.result, d
}

// Sources reads the .nix files of a folder that was embedded in the program,
// for NewFlavour. It panics when the folder is not there, as regexp.MustCompile
// does: what is embedded is known when compiling.
func Sources(fsys fs.FS, dir string) map[string]string {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		panic(fmt.Sprintf("sdk.Sources: %v", err))
	}
	sources := map[string]string{}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".nix") {
			continue
		}
		name := e.Name()
		if dir != "." {
			name = dir + "/" + name
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			panic(fmt.Sprintf("sdk.Sources: %v", err))
		}
		sources[e.Name()] = string(text)
	}
	return sources
}

// refuseReserved reports an attribute or block whose name the core uses itself.
func refuseReserved(b *schema.Block, names ...string) error {
	for _, name := range names {
		if b.Attribute(name) != nil || b.Nested(name) != nil {
			return fmt.Errorf("the name %q is nxc's own there; choose another", name)
		}
	}
	return nil
}
