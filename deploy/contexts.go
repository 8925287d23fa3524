package deploy

import (
	"context"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// contextsOf gathers what the nodes of a deployment are told, with the
// addresses that objects have. unknown reports an address not known yet.
func contextsOf(d *Deployment, objects func(addr.Instance) cty.Value) (c *contexts, unknown bool) {
	c = &contexts{composition: d.Name.Composition, flavour: d.Name.Flavour, keys: d.keys}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		fact := plugins.NodeFact{Name: n.Name, Role: n.Role}
		switch v := addressIn(objects(n.Addr), n.Address); {
		case !v.IsKnown():
			unknown = true
		case !v.IsNull() && v.Type() == cty.String:
			fact.Address = v.AsString()
		}
		c.nodes = append(c.nodes, fact)
	}
	return c, unknown
}

// contextChanges lists the nodes that stay and will be told something new.
func (p *Project) contextChanges(d *Deployment, made *plan.Plan) ([]ContextChange, hcl.Diagnostics) {
	recorded := p.recorded.Deployment(d.Name)
	if recorded == nil {
		return nil, nil
	}
	keys, err := readKeyring(p.keyFolder(recorded.UUID))
	if err != nil {
		return nil, hcl.Diagnostics{errorf("The deployment's keys cannot be read", "%v.", err)}
	}
	if keys == nil && p.snapshot.Ownership.Kind == state.Foreign {
		return nil, nil // somebody else has them: what the nodes were told cannot be compared
	}
	d.keys = keys
	c, unknown := contextsOf(d, func(a addr.Instance) cty.Value {
		if change := changeOf(made, a); change != nil {
			return change.After
		}
		return cty.NilVal
	})
	var out []ContextChange
	for i := range d.Nodes {
		n := &d.Nodes[i]
		change := changeOf(made, n.Addr)
		if change == nil || change.Action == plan.Create || change.Action == plan.Replace || !p.takesContext(d.Provider, n.Addr.Type) {
			continue
		}
		was := recorded.Node(n.Name)
		if was == nil {
			continue
		}
		if keys == nil {
			out = append(out, ContextChange{Node: n.Name, What: "keys, hosts"})
			continue
		}
		files, err := c.public(n.Name)
		if err != nil {
			return nil, hcl.Diagnostics{errorf("A context cannot be made", "%v.", err)}
		}
		if unknown || digestOf(files) != was.Context {
			out = append(out, ContextChange{Node: n.Name, What: "hosts"})
		}
	}
	return out, nil
}

// deliverContexts brings every running node's context up to date, after the
// walk. have holds the digest that each node has, and is kept up to date; told
// are the nodes that were told something new.
func (p *Project) deliverContexts(ctx context.Context, d *Deployment, objects map[addr.Instance]cty.Value, have map[addr.Instance]string) (told []addr.Instance, diags hcl.Diagnostics) {
	c, _ := contextsOf(d, func(a addr.Instance) cty.Value { return objects[a] })
	running, ok := p.providers.get(d.Provider)
	if !ok {
		return nil, nil
	}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		object, exists := objects[n.Addr]
		if !exists || object.IsNull() || !p.takesContext(d.Provider, n.Addr.Type) {
			continue
		}
		files, err := c.public(n.Name)
		if err != nil {
			return told, append(diags, errorf("A context cannot be made", "%v.", err))
		}
		digest := digestOf(files)
		if have[n.Addr] == digest {
			continue
		}
		p.o.Events.Step("Telling node " + n.Name + " about the deployment")
		plain, _ := object.UnmarkDeep()
		pd := running.SetContext(ctx, plugins.Node{Type: n.Addr.Type, Operation: p.operation(n.Addr, ""), Object: plain},
			plugins.Context{Files: files, Digest: digest})
		diags = append(diags, p.diagnostics(p.pluginProblems(n.Addr, pd))...)
		if !pd.HasErrors() {
			have[n.Addr] = digest
			told = append(told, n.Addr)
		}
	}
	return told, diags
}

// forgetKeys removes the keys of a deployment that is gone.
func (p *Project) forgetKeys(uuid string) {
	if uuid == "" {
		return
	}
	if err := os.RemoveAll(p.keyFolder(uuid)); err != nil {
		p.o.Logger.Warn("keys are left", "uuid", uuid, "err", err)
	}
	_ = os.Remove(filepath.Dir(p.keyFolder(uuid))) // it stays while others have keys
}

// keyFolder holds a deployment's keys.
func (p *Project) keyFolder(uuid string) string {
	return filepath.Join(p.home(), "keys", uuid)
}
