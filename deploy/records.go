package deploy

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/state"
)

// recordProviders notes where the providers of a deployment's objects point.
func (r *run) recordProviders(record *state.Deployment) hcl.Diagnostics {
	if record.Providers == nil {
		record.Providers = map[string]state.Provider{}
	}
	used := map[string]bool{}
	for i := range r.planned.Plan.Changes {
		c := &r.planned.Plan.Changes[i]
		if c.Addr.Deployment == record.Name && !c.Data && c.Provider != "" {
			used[c.Provider] = true
		}
	}
	for _, name := range sortedKeys(used) {
		running, ok := r.p.providers.get(name)
		if !ok {
			continue
		}
		l := state.Location{Kind: running.location.Kind, ID: running.location.ID, Label: running.location.Label}
		made, err := state.NewProvider(l, running.config, sensitivePaths(&running.schema.Config), r.session.Sealer())
		if err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
		record.Providers[name] = made
	}
	return nil
}

// put keeps a deployment's record, or removes it when nothing is left of it.
func (r *run) put(name addr.Deployment, record *state.Deployment) error {
	if len(r.session.State().ResourcesOf(name)) == 0 && len(record.Nodes) == 0 && len(record.Outputs) == 0 {
		return r.session.RemoveDeployment(name)
	}
	return r.session.SetDeployment(record)
}

// recordNodes lists the nodes that exist.
func (r *run) recordNodes(record *state.Deployment, d *Deployment, objects map[addr.Instance]cty.Value, digests map[addr.Instance]string) {
	old := record.Nodes
	record.Nodes = nil
	if d == nil {
		record.Nodes = slices.DeleteFunc(slices.Clone(old), func(n state.Node) bool {
			resource := r.session.Resource(n.Resource)
			return resource == nil || !resource.Exists()
		})
		return
	}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		resource := r.session.Resource(n.Addr)
		if resource == nil || !resource.Exists() {
			continue
		}
		node := state.Node{
			Name: n.Name, Role: n.Role, Index: n.Index, System: n.System, Resource: n.Addr, Context: digests[n.Addr],
		}
		if object, ok := objects[n.Addr]; ok {
			if v := addressIn(object, n.Address); v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
				node.Address = v.AsString()
			}
		}
		if was := nodeNamed(old, n.Name); was != nil && r.unchanged(n.Addr, objects) {
			node.System = was.System
		}
		record.Nodes = append(record.Nodes, node)
	}
	for _, n := range old { // those that were to go and are still there
		if d.Node(n.Name) == nil && r.session.Resource(n.Resource) != nil {
			record.Nodes = append(record.Nodes, n)
		}
	}
	slices.SortFunc(record.Nodes, func(a, b state.Node) int { return strings.Compare(a.Name, b.Name) })
}

// unchanged reports whether the object at an address is what it was before: its
// replacement, or its change in place, was planned and did not happen.
func (r *run) unchanged(a addr.Instance, objects map[addr.Instance]cty.Value) bool {
	c := changeOf(r.planned.Plan, a)
	resource := r.session.Resource(a)
	switch {
	case c == nil || resource == nil:
		return false
	case c.Action == plan.Replace:
		return resource.Attempt == c.Attempt
	case c.Action == plan.Update:
		object, ok := objects[a]
		return ok && object.RawEquals(c.Before)
	}
	return false
}

// nodeNamed returns the node of a list, or nil.
func nodeNamed(nodes []state.Node, name string) *state.Node {
	i := slices.IndexFunc(nodes, func(n state.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &nodes[i]
}

// recordOutputs evaluates the outputs of a deployment with what now exists.
func (r *run) recordOutputs(record *state.Deployment, result *apply.Result, applied *Applied) hcl.Diagnostics {
	if r.planned.Destroy {
		record.Outputs = nil
		return nil
	}
	if result.Interrupted || plan.HasErrors(result.Problems) {
		return nil // what they would speak of is not all there
	}
	var only []*Deployment
	if d := r.planned.deployment(record.Name); d != nil {
		only = append(only, d)
	}
	list, diags := r.p.outputs(only, result.Objects, r.planned.base)
	outputs := map[string]state.Output{}
	for _, o := range list {
		if o.Deployment != record.Name || o.After == cty.NilVal {
			continue
		}
		made, err := state.NewOutput(o.After, o.Sensitive)
		if err != nil {
			diags = append(diags, errorf("An output cannot be kept", "Output %s: %s", o.Name, sentence(err)))
			continue
		}
		outputs[o.Name] = made
		applied.Outputs = append(applied.Outputs, o)
	}
	record.Outputs = outputs
	return diags
}
