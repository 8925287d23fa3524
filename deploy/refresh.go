package deploy

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// recordedObject is one object of the state: the current one of its address
// (deposed 0), or one that was replaced and still waits to be deleted.
type recordedObject struct {
	addr    addr.Instance
	deposed int
	*state.Incarnation
}

// objectsOf lists the objects of a resource.
func objectsOf(r *state.Resource) []recordedObject {
	var list []recordedObject
	if r.Exists() {
		list = append(list, recordedObject{addr: r.Address, Incarnation: &r.Incarnation})
	}
	for i := range r.Deposed {
		list = append(list, recordedObject{addr: r.Address, deposed: i + 1, Incarnation: &r.Deposed[i]})
	}
	return list
}

// refresh returns every object on record: those of the selected deployments
// as they are now, read through their providers, the others as recorded. It
// changes nothing.
func (p *Project) refresh(ctx context.Context, e *config.Evaluator) ([]plan.Prior, hcl.Diagnostics) {
	byProvider := map[string][]recordedObject{}
	var all []plan.Prior
	var diags hcl.Diagnostics
	for _, r := range p.recorded.Resources() {
		for _, o := range objectsOf(r) {
			if p.selected(o.addr.Deployment) {
				byProvider[o.Provider] = append(byProvider[o.Provider], o)
				continue
			}
			prior, more := p.remembered(ctx, o)
			if !more.HasErrors() {
				all = append(all, prior)
			}
		}
	}
	for _, name := range sortedKeys(byProvider) {
		priors, more := p.read(ctx, name, byProvider[name], e)
		all = append(all, priors...)
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
	}
	slices.SortStableFunc(all, func(a, b plan.Prior) int { return a.Addr.Compare(b.Addr) })
	return all, diags
}

// read reads the objects of one provider configuration.
func (p *Project) read(ctx context.Context, name string, list []recordedObject, e *config.Evaluator) ([]plan.Prior, hcl.Diagnostics) {
	running, diags := p.configure(ctx, name, e)
	if diags.HasErrors() {
		return nil, diags
	}
	priors := make([]plan.Prior, len(list))
	requests := make([]plugins.ReadRequest, len(list))
	for i, o := range list {
		prior, more := p.prior(ctx, o, running)
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
		priors[i] = prior
		requests[i] = plugins.ReadRequest{Type: o.addr.Type, Operation: p.operation(o.addr, o.Attempt), Object: prior.Recorded}
	}
	var found []plan.Problem
	var missing []int
	p.o.Events.Step(fmt.Sprintf("Reading %s through %s", plural(len(list), "object"), name))
	pd := running.Read(ctx, requests, func(i int, r plugins.ReadResult) {
		found = append(found, p.pluginProblems(list[i].addr, r.Diagnostics)...)
		if r.Object != cty.NilVal && r.Object.IsNull() && list[i].Status == state.HalfMade {
			return // pieces may be left that a read does not see: its deletion removes them, or finds nothing
		}
		if r.Object != cty.NilVal {
			if r.Object.IsNull() {
				missing = append(missing, i)
			}
			priors[i].Current = list[i].Withhold(r.Object, p.snapshot.Sealer())
		}
		priors[i].Gone = r.Gone
	})
	diags = append(diags, p.diagnostics(found)...)
	diags = append(diags, asHCL(pd, nil)...)
	if diags.HasErrors() || len(missing) == 0 {
		return priors, diags
	}
	return priors, append(diags, p.inPieces(ctx, running, list, priors, missing)...)
}

// remembered is an object that is not read: it takes no part.
func (p *Project) remembered(ctx context.Context, o recordedObject) (plan.Prior, hcl.Diagnostics) {
	schema, pd := p.providers.schema(ctx, o.Provider)
	if pd.HasErrors() {
		return plan.Prior{}, asHCL(pd, nil)
	}
	prior, diags := p.prior(ctx, o, &provider{name: o.Provider, schema: schema})
	prior.NotRefreshed = true
	return prior, diags
}

// prior returns an object as recorded, in today's schema.
func (p *Project) prior(ctx context.Context, o recordedObject, through *provider) (plan.Prior, hcl.Diagnostics) {
	v, diags := p.object(ctx, o, through)
	prior := plan.Prior{
		Addr: o.addr, Provider: o.Provider, Recorded: v, Current: v, Tainted: o.Status == state.HalfMade, Unwanted: unwanted(o.Status),
		Dependencies: o.Dependencies, Attempt: o.Attempt, SchemaVersion: o.SchemaVersion, Deposed: o.deposed,
	}
	if len(o.Secrets) > 0 {
		seal := p.snapshot.Sealer()
		prior.Restore = func(current, config cty.Value) cty.Value { return o.Restore(current, config, seal) }
	}
	return prior, diags
}

// unwanted says why an object is to be replaced although nothing is wrong with
// its configuration.
func unwanted(s state.Status) string {
	if s == state.Tainted {
		return "it is tainted"
	}
	return ""
}

func (p *Project) object(ctx context.Context, o recordedObject, through *provider) (cty.Value, hcl.Diagnostics) {
	t := through.schema.Resources[o.addr.Type]
	fail := func(summary, format string, args ...any) (cty.Value, hcl.Diagnostics) {
		return cty.NilVal, hcl.Diagnostics{errorf(summary, format, args...)}
	}
	switch {
	case t == nil:
		return fail("The state holds a type that its provider does not know",
			"%s was made by provider %s, which has no resource type %q now. Use the version of the provider that made it.", o.addr, o.Provider, o.addr.Type)
	case o.SchemaVersion > t.Version:
		return fail("The state was written with a newer provider",
			"%s has schema version %d; provider %s knows version %d. Install a newer version.", o.addr, o.SchemaVersion, o.Provider, t.Version)
	case o.SchemaVersion < t.Version && through.Plugin == nil:
		return fail("An object of an older schema takes no part", "%s is not upgraded.", o.addr)
	case o.SchemaVersion < t.Version:
		return p.upgrade(ctx, o, through)
	}
	v, err := o.Object(t.Block.Type())
	if err != nil {
		return fail("The state does not fit the provider's schema", "%s: %v.", o.addr, err)
	}
	return v, nil
}

// upgrade brings an object of an older schema version to today's.
func (p *Project) upgrade(ctx context.Context, o recordedObject, through *provider) (cty.Value, hcl.Diagnostics) {
	var out cty.Value
	var diags hcl.Diagnostics
	pd := through.Upgrade(ctx, []plugins.UpgradeRequest{{Type: o.addr.Type, Version: o.SchemaVersion, Object: o.JSON()}},
		func(_ int, u plugins.UpgradeResult) {
			out = u.Object
			diags = append(diags, p.diagnostics(p.pluginProblems(o.addr, u.Diagnostics))...)
		})
	return out, append(diags, asHCL(pd, nil)...)
}

// operation says on whose behalf a call about a recorded object is made.
func (p *Project) operation(a addr.Instance, attempt string) plugins.Operation {
	op := plugins.Operation{Address: a.String(), Deployment: a.Deployment.String(), Attempt: attempt}
	if d := p.recorded.Deployment(a.Deployment); d != nil {
		op.UUID = d.UUID
	}
	if uuid := p.strays[attempt]; uuid != "" {
		op.UUID = uuid
	}
	return op
}

// priorObjects returns what a deployment has now, for its expansion.
func (p *Project) priorObjects(d addr.Deployment) []plugins.PriorObject {
	var out []plugins.PriorObject
	for i := range p.refreshed {
		prior := &p.refreshed[i]
		key, ok := prior.Addr.Key.Text()
		if prior.Addr.Deployment != d || prior.Deposed > 0 || !ok {
			continue
		}
		object := prior.Current
		if object.IsNull() {
			object = prior.Recorded // gone outside: what was decided for it still holds
		}
		out = append(out, plugins.PriorObject{
			ResourceKey: plugins.ResourceKey{Type: prior.Addr.Type, Key: key}, Object: object,
		})
	}
	return out
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
