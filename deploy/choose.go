package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

// Choice says which nodes are meant. The zero value means all nodes of the
// only deployment that runs, or of the selected one.
type Choice struct {
	Targets []string // names and patterns, such as client1, client[1-3] or webserver::docker/client*
	Roles   []string // all nodes of these
}

// IsMany reports whether the choice can be of several nodes, as it is written.
func (c Choice) IsMany() bool {
	return len(c.Targets) != 1 || len(c.Roles) > 0 || isPattern(c.Targets[0])
}

// ChosenNode is one node of a choice.
type ChosenNode struct {
	*RunningNode                 // nil when the node does not exist
	Label        string          // its name; with its deployment's where nodes of several are chosen
	Missing      hcl.Diagnostics // why it cannot be reached

	deployment addr.Deployment
	name       string
}

// chosen is a node by name.
type chosen struct {
	deployment addr.Deployment
	node       *state.Node
}

// ChooseNodes finds the nodes of a choice, each once, in the order in which
// they are named. A node that is recorded and does not exist is one of them,
// and says so.
func (p *Project) ChooseNodes(ctx context.Context, c Choice) ([]ChosenNode, hcl.Diagnostics) {
	found, diags := p.choose(c)
	if diags.HasErrors() {
		return nil, diags
	}
	several := slices.ContainsFunc(found, func(f chosen) bool { return f.deployment != found[0].deployment })
	list := make([]ChosenNode, len(found))
	for i, f := range found {
		list[i].Label, list[i].name, list[i].deployment = f.node.Name, f.node.Name, f.deployment
		if several {
			list[i].Label = f.deployment.String() + "/" + f.node.Name
		}
		if list[i].Missing = p.missing(f.deployment, f.node); list[i].Missing.HasErrors() {
			continue
		}
		n, more := p.reach(ctx, f.deployment, f.node)
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
		list[i].RunningNode = n
	}
	return list, diags
}

func (p *Project) choose(c Choice) ([]chosen, hcl.Diagnostics) {
	var list []chosen
	have := map[*state.Node]bool{}
	add := func(d addr.Deployment, n *state.Node) {
		if !have[n] {
			have[n] = true
			list = append(list, chosen{d, n})
		}
	}
	if len(c.Roles) > 0 || len(c.Targets) == 0 {
		deployment, _, diags := p.targetOf("")
		if diags.HasErrors() {
			return nil, diags
		}
		record := p.recorded.Deployment(deployment)
		if diags := rolesThere(record, c.Roles); diags.HasErrors() {
			return nil, diags
		}
		for i := range record.Nodes {
			if len(c.Roles) == 0 || slices.Contains(c.Roles, record.Nodes[i].Role) {
				add(deployment, &record.Nodes[i])
			}
		}
	}
	for _, target := range c.Targets {
		deployment, name, diags := p.targetOf(target)
		if diags.HasErrors() {
			return nil, diags
		}
		names := nodeNames(p.recorded.Deployment(deployment))
		matched, err := matching(name, names)
		switch {
		case err != nil:
			return nil, hcl.Diagnostics{errorf("These are no nodes", "%s", sentence(err))}
		case len(matched) == 0:
			return nil, hcl.Diagnostics{errorf(fmt.Sprintf("No node is like %q", name), "%s has %s.", deployment, strings.Join(names, ", "))}
		}
		for _, name := range matched {
			n, diags := p.namedNode(deployment, name)
			if diags.HasErrors() {
				return nil, diags
			}
			add(deployment, n)
		}
	}
	return list, nil
}

// rolesThere complains about roles that no node of a deployment has.
func rolesThere(record *state.Deployment, roles []string) hcl.Diagnostics {
	var have []string
	for i := range record.Nodes {
		if r := record.Nodes[i].Role; !slices.Contains(have, r) {
			have = append(have, r)
		}
	}
	slices.Sort(have)
	for _, role := range roles {
		if !slices.Contains(have, role) {
			return hcl.Diagnostics{errorf(fmt.Sprintf("No node has the role %q", role), "The roles of %s are %s%s", record.Name, strings.Join(have, ", "), didYouMean(role, have))}
		}
	}
	return nil
}

// RunningNodes finds several nodes, which may be of several deployments. No
// target means all nodes of the only deployment that runs, or of the selected,
// and an empty one the only node there is.
func (p *Project) RunningNodes(ctx context.Context, targets []string) ([]*RunningNode, hcl.Diagnostics) {
	chosen, diags := p.ChooseNodes(ctx, Choice{Targets: targets})
	if diags.HasErrors() {
		return nil, diags
	}
	list := make([]*RunningNode, len(chosen))
	for i := range chosen {
		if chosen[i].Missing.HasErrors() {
			return nil, append(diags, chosen[i].Missing...)
		}
		list[i] = chosen[i].RunningNode
	}
	return list, diags
}
