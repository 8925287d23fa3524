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
	"github.com/nixos-compose/nxc/state"
)

// An object may carry a deployment's identity although neither the state nor
// a journal names the attempt that made it: its journal is gone, or an older
// state was checked out after its command had ended. It is ours, and still
// nobody but the user knows whether it is wanted: on another branch it may be.
// So it is told, and left alone until it is asked for.

// unclaimed is one such object.
type unclaimed struct {
	address addr.Instance
	record  *state.Deployment
	through *provider
	found   plugins.Found
	all     []plugins.Found // what the same question found
}

// unclaimed asks all providers on record what else there is of the selected
// deployments. Those that another command works on are passed over: what it
// makes is in its journal.
func (p *Project) unclaimed(ctx context.Context, e *config.Evaluator) ([]unclaimed, hcl.Diagnostics) {
	var list []unclaimed
	for _, d := range p.recorded.Deployments() {
		if !p.selected(d.Name) || p.atWork(d.Name) {
			continue
		}
		for _, name := range sortedKeys(d.Providers) {
			running, diags := p.configure(ctx, name, e)
			if diags.HasErrors() {
				return nil, diags
			}
			if !running.location.Same(placeOf(d.Providers[name])) {
				continue // nothing of it exists any more, or configure had refused
			}
			p.o.Events.Step("Looking for what else exists of " + nameOf(d.Name) + " through " + name)
			all, pd := running.Find(ctx, plugins.FindRequest{UUID: d.UUID, Types: sortedKeys(running.schema.Resources)})
			if pd.HasErrors() {
				return nil, asHCL(pd, nil)
			}
			for _, found := range all {
				a, err := addr.Parse(found.Address)
				if err != nil || p.known(d.Name, running, found) {
					continue
				}
				a.Deployment = d.Name
				list = append(list, unclaimed{address: a, record: d, through: running, found: found, all: all})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b unclaimed) int { return a.address.Compare(b.address) })
	return list, nil
}

// besides tells what else there is, when the journals cannot have said all.
func (p *Project) besides(ctx context.Context, e *config.Evaluator) ([]string, hcl.Diagnostics) {
	if !slices.ContainsFunc(p.snapshot.Recovered, func(r *state.Recovery) bool {
		return r.Verdict == state.Lost || r.Verdict == state.OtherBase
	}) {
		return nil, nil
	}
	list, diags := p.unclaimed(ctx, e)
	if text := tellUnclaimed(list); text != "" {
		return []string{text}, diags
	}
	return nil, diags
}

func placeOf(r state.Provider) plugins.Location {
	return plugins.Location{Kind: r.Location.Kind, ID: r.Location.ID, Label: r.Location.Label}
}

func nameOf(d addr.Deployment) string {
	if d.IsTop() {
		return "the top level"
	}
	return d.String()
}

// atWork reports whether another command works on a deployment now.
func (p *Project) atWork(d addr.Deployment) bool {
	return slices.ContainsFunc(p.snapshot.Running, func(c state.Command) bool { return slices.Contains(c.Deployments, d) })
}

// known reports whether what was found is on record: by its attempt, or, where
// it was imported and the record has an attempt of its own, by what the world
// decided for it.
func (p *Project) known(d addr.Deployment, through *provider, found plugins.Found) bool {
	t := through.schema.Resources[found.Type]
	for _, r := range p.recorded.ResourcesOf(d) {
		if r.Address.Type != found.Type {
			continue
		}
		for _, o := range objectsOf(r) {
			if o.Attempt == found.Attempt {
				return true
			}
			if was, err := o.Object(t.Block.Type()); err == nil && sameIdentity(t, was, found.Object) {
				return true
			}
		}
	}
	return false
}

// sameIdentity reports whether two objects agree in all that only the world
// decides.
func sameIdentity(t *plugins.ResourceType, a, b cty.Value) bool {
	if a.IsNull() || b.IsNull() {
		return false
	}
	agree := 0
	for i := range t.Block.Attributes {
		at := &t.Block.Attributes[i]
		if !at.Computed || at.Optional {
			continue
		}
		x, y := a.GetAttr(at.Name), b.GetAttr(at.Name)
		if x.IsNull() || y.IsNull() || !x.RawEquals(y) {
			return false
		}
		agree++
	}
	return agree > 0
}

// claim takes unclaimed objects into the record that are at one of the
// addresses, or below it. It returns what stays unclaimed.
func (p *Project) claim(list []unclaimed, wanted []addr.Instance) (rest []unclaimed, diags hcl.Diagnostics) {
	for _, w := range wanted {
		if !slices.ContainsFunc(list, func(u unclaimed) bool { return covers(w, u.address) }) {
			diags = append(diags, errorf("There is nothing to take in", "Nothing exists as %s that the state does not know already. nxc state recover, without -take, lists what there is.", w))
		}
	}
	if diags.HasErrors() {
		return list, diags
	}
	for _, u := range list {
		if !slices.ContainsFunc(wanted, func(w addr.Instance) bool { return covers(w, u.address) }) {
			rest = append(rest, u)
			continue
		}
		f, more := p.claimed(u)
		diags = append(diags, more...)
		if more.HasErrors() {
			return list, diags
		}
		p.take(f)
	}
	return rest, diags
}

// covers reports whether an address is another one, its block, or its whole
// deployment.
func covers(what, a addr.Instance) bool {
	whole := what == addr.Instance{Deployment: a.Deployment} && !a.Deployment.IsTop()
	return a == what || a.Block() == what || whole
}

// claimed returns how an unclaimed object is recorded. Where something else is
// at its address, it is a second one, and the plan removes it; where that is
// on record and does not exist, it has its place.
func (p *Project) claimed(u unclaimed) (finding, hcl.Diagnostics) {
	t := u.through.schema.Resources[u.found.Type]
	intent := &state.Intent{
		Address: u.address, Action: state.Create, Attempt: u.found.Attempt, UUID: u.record.UUID,
		Planned: &state.Incarnation{
			Provider: u.through.name, SchemaVersion: t.Version, Attempt: u.found.Attempt, Dependencies: p.dependenciesLike(u.address),
		},
		ProviderName: u.through.name, Provider: u.record.Providers[u.through.name],
	}
	f := finding{intent: intent, resource: p.recorded.Resource(u.address)}
	if r := f.resource; r != nil && !slices.ContainsFunc(u.all, func(o plugins.Found) bool { return o.Attempt == r.Attempt }) {
		f.resource = r.Copy()
		f.resource.Incarnation = state.Incarnation{}
	}
	return f, f.made(u.through, &u.found, true)
}

// dependenciesLike guesses what an object depends on, so that it is removed
// before that: what its block says, or what its like in the deployment do.
func (p *Project) dependenciesLike(a addr.Instance) []addr.Instance {
	var list []addr.Instance
	for _, on := range p.Config.Dependencies(a.Block()) {
		if !on.Data {
			list = append(list, on)
		}
	}
	for _, r := range p.recorded.ResourcesOf(a.Deployment) {
		if r.Address.Type == a.Type && len(list) == 0 {
			list = append(list, r.Dependencies...)
		}
	}
	return slices.DeleteFunc(list, func(on addr.Instance) bool { return on == a || on == a.Block() })
}

// tellUnclaimed says what was found, and how it is taken in.
func tellUnclaimed(list []unclaimed) string {
	if len(list) == 0 {
		return ""
	}
	var names []string
	for _, u := range list {
		names = append(names, u.address.String())
	}
	names = slices.Compact(names)
	const most = 5
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	it, carries := "It stays as it is", " exists, carries the identity of what is deployed here, and is in neither the state nor a journal."
	if len(list) > 1 {
		it, carries = "They stay as they are", " exist, carry the identity of what is deployed here, and are in neither the state nor a journal."
	}
	return text + carries + " " + it + ". To take in what belongs here, so that the next apply keeps what the configuration has and removes the rest, type: nxc state recover -take '" +
		names[0] + "'"
}
