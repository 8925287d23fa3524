package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
	"github.com/nixos-compose/nxc/state"
)

// configure starts the provider of a configuration, once, and compares the
// place that it points at with the one that the state remembers. It does so
// before anything is read through it.
func (p *Project) configure(ctx context.Context, name string, e *config.Evaluator) (*provider, hcl.Diagnostics) {
	if running, ok := p.providers.get(name); ok {
		return running, nil
	}
	offer, pd := p.providers.schema(ctx, name)
	block := p.Config.Provider(name)
	at := func(cty.Path) *hcl.Range {
		if block == nil || block.DeclRange.Filename == "" {
			return nil
		}
		return block.DeclRange.Ptr()
	}
	if pd.HasErrors() {
		return nil, asHCL(pd, at)
	}
	value, diags := p.providerConfig(name, &offer.Config, e)
	if diags.HasErrors() {
		return nil, diags
	}
	if !value.IsWhollyKnown() {
		d := errorf("The provider's configuration is not known yet",
			"Provider %s depends on something that only an apply will tell. Apply that first: put it in a configuration of its own, or give the value as a variable.", name)
		d.Subject = at(nil)
		return nil, append(diags, d)
	}
	p.o.Events.Step("Starting provider " + name)
	running, pd := p.providers.start(ctx, name, value)
	diags = append(diags, asHCL(pd, at)...)
	if pd.HasErrors() {
		return nil, diags
	}
	if moved := p.checkLocation(running); moved != nil {
		moved.Subject = at(nil)
		return nil, append(diags, moved)
	}
	return running, diags
}

// providerConfig returns the configuration of a provider: from the files, or,
// for objects whose configuration is gone from them, as the state recorded it.
func (p *Project) providerConfig(name string, b *schema.Block, e *config.Evaluator) (cty.Value, hcl.Diagnostics) {
	if block := p.Config.Providers[name]; block != nil {
		v, diags := e.Provider(block, b)
		if !p.lenient || !diags.HasErrors() {
			return v, diags
		}
	}
	for _, d := range p.recorded.Deployments() {
		recorded, ok := d.Providers[name]
		if !ok || len(recorded.Config) == 0 {
			continue
		}
		v, err := recorded.Value(b.Type())
		if err == nil {
			return v, nil
		}
		p.o.Logger.Warn("recorded provider configuration does not fit", "provider", name, "err", err)
	}
	if strings.Contains(name, ".") {
		return cty.NilVal, hcl.Diagnostics{errorf("There is no provider configuration "+name,
			"Write provider %q { alias = %q } in the configuration, or choose another one.", providerName(name), strings.TrimPrefix(name, providerName(name)+"."))}
	}
	return emptyConfig(b), nil
}

// emptyConfig is the value of a block in which nothing is written.
func emptyConfig(b *schema.Block) cty.Value {
	values := map[string]cty.Value{}
	for i := range b.Attributes {
		a := &b.Attributes[i]
		values[a.Name] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			values[a.Name] = a.Default
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		t := n.Block.Type()
		if n.Nesting == schema.List {
			values[n.Name] = cty.ListValEmpty(t)
		} else {
			values[n.Name] = cty.NullVal(t)
		}
	}
	return cty.ObjectVal(values)
}

// checkLocation compares where a provider points with where the objects of
// the selected deployments are.
func (p *Project) checkLocation(running *provider) *hcl.Diagnostic {
	for _, d := range p.recorded.Deployments() {
		name := d.Name
		recorded, ok := d.Providers[running.name]
		if !ok || !p.selected(name) || !p.hasObjects(name, running.name) {
			continue
		}
		was := placeOf(recorded)
		if was.Kind == "" || was.Same(running.location) {
			continue
		}
		what := name.String() + " exists"
		if name.IsTop() {
			what = "The top-level resources exist"
		}
		return errorf(fmt.Sprintf("Provider %s points at another place", running.name),
			"%s on %s, and the provider now points at %s. Nothing was read and nothing was changed. "+
				"Point the provider at %s again; or run \"nxc workspace new NAME\" to have the same on %s as well; "+
				"or destroy it there first.",
			what, place(was), place(running.location), place(was), place(running.location))
	}
	return nil
}

func place(l plugins.Location) string {
	if l.Label != "" {
		return l.Label
	}
	return l.Kind + " " + l.ID
}

// hasObjects reports whether the state knows objects of a deployment that
// were made through a configuration.
func (p *Project) hasObjects(d addr.Deployment, configuration string) bool {
	return slices.ContainsFunc(p.recorded.ResourcesOf(d), func(r *state.Resource) bool {
		return r.Provider == configuration || slices.ContainsFunc(r.Deposed, func(i state.Incarnation) bool { return i.Provider == configuration })
	})
}

// selected reports whether a deployment takes part in this command.
func (p *Project) selected(d addr.Deployment) bool {
	if d.IsTop() {
		return p.Selection.TopLevel
	}
	if slices.Contains(p.Selection.Deployments, d) {
		return true
	}
	return p.Selection.TopLevel && !p.declared(d)
}

// declared reports whether the configuration has the deployment's block.
func (p *Project) declared(d addr.Deployment) bool {
	c := p.Config.Compositions[d.Composition]
	return c != nil && c.Flavour(d.Flavour) != nil
}
