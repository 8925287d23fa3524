package deploy

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// rearrange does what moved, removed and import blocks say to the state that
// is planned from, and returns what to tell. An apply writes it down.
func (p *Project) rearrange(ctx context.Context, e *config.Evaluator) ([]string, hcl.Diagnostics) {
	var notices []string
	var diags hcl.Diagnostics
	for _, m := range p.moves() {
		if !p.selected(m.From.Deployment) {
			continue
		}
		edits, moved, err := moveTo(p.recorded, m.From, m.To)
		if err != nil {
			d := errorf("An object cannot move", "%s", sentence(err))
			d.Subject = m.DeclRange.Ptr()
			diags = append(diags, d)
			continue
		}
		for _, pair := range moved {
			notices = append(notices, fmt.Sprintf("%s is %s now.", pair[0], pair[1]))
		}
		p.rework(edits)
	}
	for _, r := range p.Config.Removed {
		if r.Destroy || !p.selected(r.From.Deployment) {
			continue
		}
		edits := forget(p.recorded, r.From)
		for i := range edits {
			notices = append(notices, fmt.Sprintf("%s is not managed any more, and stays where it is.", edits[i].at))
		}
		p.rework(edits)
	}
	told, more := p.takeIn(ctx, e)
	return append(notices, told...), append(diags, more...)
}

// takeIn does what import blocks say.
func (p *Project) takeIn(ctx context.Context, e *config.Evaluator) ([]string, hcl.Diagnostics) {
	var notices []string
	var diags hcl.Diagnostics
	seen := map[addr.Instance]bool{}
	for _, i := range p.Config.Imports {
		if !p.selected(i.To.Deployment) {
			continue
		}
		list, more := e.Imported(i)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		for _, one := range list {
			if seen[one.To] {
				d := errorf("Imported twice", "Two import blocks make something %s. Remove one.", one.To)
				d.Subject = i.DeclRange.Ptr()
				diags = append(diags, d)
				continue
			}
			seen[one.To] = true
			if p.recorded.Resource(one.To) != nil {
				continue
			}
			made, more := p.imported(ctx, one.To, one.ID, e)
			for _, d := range more {
				d.Subject = i.DeclRange.Ptr()
			}
			diags = append(diags, more...)
			if more.HasErrors() {
				continue
			}
			notices = append(notices, fmt.Sprintf("%s is imported as %s.", one.ID, one.To))
			p.rework([]edit{made})
		}
	}
	return notices, diags
}

// moves lists the moved blocks, and what follows from a count that came or
// went: one object without a number is the first with one.
func (p *Project) moves() []config.Moved {
	list := slices.Clone(p.Config.Moved)
	for _, r := range p.Config.Resources {
		if r.Addr.Data || r.ForEach != nil {
			continue
		}
		single, first := r.Addr, r.Addr
		first.Key = addr.IntKey(0)
		from, to := single, first
		if r.Count == nil {
			from, to = first, single
		}
		if p.recorded.Resource(from) != nil && p.recorded.Resource(to) == nil {
			list = append(list, config.Moved{From: from, To: to, DeclRange: r.DeclRange})
		}
	}
	return list
}

// rework makes edits in the state that is planned from, and keeps them for the
// apply.
func (p *Project) rework(edits []edit) {
	if len(edits) == 0 {
		return
	}
	p.recorded = p.recorded.Clone()
	for i := range edits {
		edits[i].on(p.recorded)
	}
	p.edits = append(p.edits, edits...)
}

// imported reads an object that exists, by its provider's name for it, and
// returns how it will be recorded.
func (p *Project) imported(ctx context.Context, to addr.Instance, id string, e *config.Evaluator) (edit, hcl.Diagnostics) {
	fail := func(summary, format string, args ...any) (edit, hcl.Diagnostics) {
		return edit{}, hcl.Diagnostics{errorf(summary, format, args...)}
	}
	block := p.Config.Resource(to)
	if block == nil {
		return fail("Imported to nowhere", "%s has no block in the configuration. Write one that describes the object as it is.", to.Block())
	}
	if (block.Count != nil || block.ForEach != nil) == to.Key.IsNone() {
		return fail("Not one object", "%s has count or for_each exactly when its address has a key: name one of its objects.", to.Block())
	}
	if x, more := e.Expand(block); !more.HasErrors() && !slices.Contains(x.Keys, to.Key) {
		return fail("No such instance", "%s has no instance %s, so that what is imported would be destroyed. Add it to the block first.", to.Block(), to.Key)
	}
	running, diags := p.configure(ctx, block.Provider, e)
	if diags.HasErrors() {
		return edit{}, diags
	}
	t := running.schema.Resources[to.Type]
	if t == nil {
		return fail("Unknown resource type", "Provider %s has no %q.", running.name, to.Type)
	}
	record := &state.Deployment{Name: to.Deployment, UUID: state.NewUUID()}
	if old := p.recorded.Deployment(to.Deployment); old != nil {
		record = old.Copy()
	}
	attempt := state.NewAttempt()
	operation := plugins.Operation{Address: to.String(), Deployment: to.Deployment.String(), UUID: record.UUID, Attempt: attempt}
	object, pd := running.Import(ctx, plugins.ImportRequest{Type: to.Type, ID: id, Operation: operation})
	switch {
	case pd.HasErrors():
		return edit{}, asHCL(pd, nil)
	case object == cty.NilVal || object.IsNull():
		return fail("Nothing to import", "Provider %s finds no %s called %q.", running.name, to.Type, id)
	}
	made := state.Incarnation{Provider: running.name, SchemaVersion: t.Version, Attempt: attempt}
	err := made.SetObject(object, state.Split{
		Type: t.Block.Type(), Sensitive: sensitivePaths(&t.Block), Seal: p.snapshot.Sealer(),
		Computed: func(name string) bool { a := t.Block.Attribute(name); return a != nil && a.Computed && !a.Optional },
	})
	if err != nil {
		return fail("What was imported cannot be recorded", "%s: %s", to, sentence(err))
	}
	l := state.Location{Kind: running.location.Kind, ID: running.location.ID, Label: running.location.Label}
	used, err := state.NewProvider(l, running.config, sensitivePaths(&running.schema.Config), p.snapshot.Sealer())
	if err != nil {
		return edit{}, hcl.Diagnostics{stateDiagnostic(err)}
	}
	if record.Providers == nil {
		record.Providers = map[string]state.Provider{}
	}
	record.Providers[running.name] = used
	return edit{at: to, resource: &state.Resource{Address: to, Incarnation: made}, record: record}, nil
}
