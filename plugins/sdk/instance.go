package sdk

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

// parallelism bounds how many objects are read at once: reads wait for a
// network more than they compute.
const parallelism = 16

// New makes p callable, in this process: what Serve puts on the wire. The
// error says what is wrong with the declaration.
func New(p Provider) (plugins.Provider, error) {
	if !validProviderName.MatchString(p.Name) {
		return nil, fmt.Errorf("provider name %q: use lower-case letters, digits and hyphens", p.Name)
	}
	i := &instance{
		schema: &plugins.Schema{
			Provider: p.Name, Version: p.Version,
			Resources: map[string]*plugins.ResourceType{},
			Data:      map[string]*plugins.DataType{},
			Flavours:  map[string]*plugins.Flavour{},
		},
		configurer: p.Configure,
		resources:  map[string]Resource{},
		data:       map[string]Data{},
		flavours:   map[string]Flavour{},
	}
	i.stopping, i.stop = context.WithCancel(context.Background())
	if i.configurer == nil {
		i.configurer = nowhere{}
	}
	if err := i.declare(p); err != nil {
		return nil, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	return i, nil
}

var validProviderName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// instance is a Provider that was made callable.
type instance struct {
	schema     *plugins.Schema
	configurer Configurer
	resources  map[string]Resource
	data       map[string]Data
	flavours   map[string]Flavour

	stopping context.Context
	stop     context.CancelFunc

	listeners listeners
}

func (i *instance) declare(p Provider) (err error) {
	if i.schema.Config, err = i.configurer.block(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	for _, r := range p.Resources {
		name := r.resourceName()
		if err := i.checkName(name, i.resources[name] != nil); err != nil {
			return fmt.Errorf("resource %s: %w", name, err)
		}
		if i.schema.Resources[name], err = r.describe(); err != nil {
			return fmt.Errorf("resource %s: %w", name, err)
		}
		i.resources[name] = r
	}
	for _, d := range p.Data {
		name := d.dataName()
		if err := i.checkName(name, i.data[name] != nil); err != nil {
			return fmt.Errorf("data source %s: %w", name, err)
		}
		if i.schema.Data[name], err = d.describe(); err != nil {
			return fmt.Errorf("data source %s: %w", name, err)
		}
		i.data[name] = d
	}
	for _, f := range p.Flavours {
		name := f.flavourName()
		if i.flavours[name] != nil {
			return fmt.Errorf("flavour %s: declared twice", name)
		}
		if i.schema.Flavours[name], err = f.describe(); err != nil {
			return fmt.Errorf("flavour %s: %w", name, err)
		}
		i.flavours[name] = f
	}
	return nil
}

// checkName keeps types apart by provider: nxc finds the provider of a type by
// the word before the first underscore.
func (i *instance) checkName(name string, taken bool) error {
	switch {
	case !strings.HasPrefix(name, i.schema.Provider+"_"):
		return fmt.Errorf("the name must begin with %q", i.schema.Provider+"_")
	case taken:
		return errors.New("declared twice")
	default:
		return nil
	}
}

// begin returns a context that also ends with Stop, and in which a verb can
// Tell.
func (i *instance) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithValue(ctx, tellKey{}, i.listeners.tell))
	detach := context.AfterFunc(i.stopping, cancel)
	return ctx, func() { detach(); cancel() }
}

func (i *instance) Stop(context.Context) error {
	i.stop()
	return nil
}

func (i *instance) Schema(context.Context) (*plugins.Schema, plugins.Diagnostics) {
	return i.schema, nil
}

func (i *instance) Configure(ctx context.Context, r plugins.ConfigureRequest) (plugins.Location, plugins.Diagnostics) {
	ctx, done := i.begin(ctx)
	defer done()
	return i.configurer.configure(ctx, i.schema.Provider, r)
}

func (i *instance) Validate(ctx context.Context, rs []plugins.ValidateRequest, result func(int, plugins.Diagnostics)) plugins.Diagnostics {
	return each(ctx, len(rs), func(n int) plugins.Diagnostics { return i.validate(ctx, rs[n]) }, result)
}

func (i *instance) validate(ctx context.Context, r plugins.ValidateRequest) plugins.Diagnostics {
	switch r.Kind {
	case plugins.KindResource:
		if t := i.resources[r.Type]; t != nil {
			return t.validate(ctx, r.Config)
		}
	case plugins.KindData:
		if t := i.data[r.Type]; t != nil {
			return diagnose(t.decodable(r.Config))
		}
	case plugins.KindFlavour:
		if t := i.flavours[r.Type]; t != nil {
			return diagnose(t.decodable(r.Config))
		}
	}
	return i.noSuch(string(r.Kind), r.Type)
}

func (i *instance) noSuch(kind, name string) plugins.Diagnostics {
	return plugins.NewError(fmt.Sprintf("Provider %s has no %s %q", i.schema.Provider, kind, name), "")
}

func (i *instance) Expand(ctx context.Context, r plugins.ExpandRequest) (*plugins.Expansion, plugins.Diagnostics) {
	f := i.flavours[r.Flavour]
	if f == nil {
		return nil, i.noSuch("flavour", r.Flavour)
	}
	ctx, done := i.begin(ctx)
	defer done()
	e, d := f.expand(ctx, r)
	if d.HasErrors() {
		return nil, d
	}
	return e, append(d, i.checkExpansion(e)...)
}

func (i *instance) Read(ctx context.Context, rs []plugins.ReadRequest, result func(int, plugins.ReadResult)) plugins.Diagnostics {
	ctx, done := i.begin(ctx)
	defer done()
	return each(ctx, len(rs), func(n int) plugins.ReadResult {
		t := i.resources[rs[n].Type]
		if t == nil {
			return plugins.ReadResult{Object: rs[n].Object, Diagnostics: i.noSuch("resource", rs[n].Type)}
		}
		return t.read(ctx, Operation{Operation: rs[n].Operation}, rs[n].Object)
	}, result)
}

func (i *instance) Plan(ctx context.Context, rs []plugins.PlanRequest, result func(int, plugins.PlanResult)) plugins.Diagnostics {
	ctx, done := i.begin(ctx)
	defer done()
	return each(ctx, len(rs), func(n int) plugins.PlanResult {
		t := i.resources[rs[n].Type]
		if t == nil {
			return plugins.PlanResult{Planned: rs[n].Proposed, Diagnostics: i.noSuch("resource", rs[n].Type)}
		}
		return t.plan(ctx, rs[n])
	}, result)
}

func (i *instance) ReadData(ctx context.Context, r plugins.ReadDataRequest) (cty.Value, plugins.Diagnostics) {
	t := i.data[r.Type]
	if t == nil {
		return cty.NilVal, i.noSuch("data source", r.Type)
	}
	ctx, done := i.begin(ctx)
	defer done()
	return t.read(ctx, r.Config)
}

func (i *instance) Import(ctx context.Context, r plugins.ImportRequest) (cty.Value, plugins.Diagnostics) {
	t := i.resources[r.Type]
	if t == nil {
		return cty.NilVal, i.noSuch("resource", r.Type)
	}
	ctx, done := i.begin(ctx)
	defer done()
	return t.importObject(ctx, Operation{Operation: r.Operation}, r.ID)
}

func (i *instance) Upgrade(ctx context.Context, rs []plugins.UpgradeRequest, result func(int, plugins.UpgradeResult)) plugins.Diagnostics {
	return each(ctx, len(rs), func(n int) plugins.UpgradeResult {
		t := i.resources[rs[n].Type]
		if t == nil {
			return plugins.UpgradeResult{Diagnostics: i.noSuch("resource", rs[n].Type)}
		}
		return t.upgrade(ctx, rs[n])
	}, result)
}

func (i *instance) Find(ctx context.Context, r plugins.FindRequest) ([]plugins.Found, plugins.Diagnostics) {
	types := r.Types
	if len(types) == 0 {
		types = sortedNames(i.resources)
	}
	ctx, done := i.begin(ctx)
	defer done()
	var all []plugins.Found
	var diags plugins.Diagnostics
	for _, name := range types {
		t := i.resources[name]
		if t == nil {
			diags = append(diags, i.noSuch("resource", name)...)
			continue
		}
		found, d := t.find(ctx, Operation{Operation: plugins.Operation{UUID: r.UUID}})
		all, diags = append(all, found...), append(diags, d...)
	}
	return all, diags
}
