package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// RunningNode is a node that exists, with the provider that can reach it.
type RunningNode struct {
	Deployment addr.Deployment
	state.Node
	provider *provider
	node     plugins.Node
}

// RunningNode finds a node by name: "client1" in the only deployment that
// runs, or the one that was selected, or "webserver::docker/client1". An empty
// target is the only node there is.
func (p *Project) RunningNode(ctx context.Context, target string) (*RunningNode, hcl.Diagnostics) {
	deployment, name, diags := p.targetOf(target)
	if diags.HasErrors() {
		return nil, diags
	}
	found, diags := p.namedNode(deployment, name)
	if diags.HasErrors() {
		return nil, diags
	}
	return p.reach(ctx, deployment, found)
}

// namedNode finds a node of a deployment; without a name, the only one.
func (p *Project) namedNode(deployment addr.Deployment, name string) (*state.Node, hcl.Diagnostics) {
	record := p.recorded.Deployment(deployment)
	if name == "" && len(record.Nodes) == 1 {
		name = record.Nodes[0].Name
	}
	if found := record.Node(name); found != nil {
		return found, nil
	}
	names := nodeNames(record)
	if name == "" {
		return nil, hcl.Diagnostics{errorf("Which node?", "%s has %s: name one.", deployment, strings.Join(names, ", "))}
	}
	return nil, hcl.Diagnostics{errorf(fmt.Sprintf("There is no node %q", name),
		"%s has %s%s", deployment, strings.Join(names, ", "), didYouMean(name, names))}
}

func nodeNames(record *state.Deployment) []string {
	names := make([]string, len(record.Nodes))
	for i, n := range record.Nodes {
		names[i] = n.Name
	}
	return names
}

// missing says that a node is recorded and does not exist; nothing when it does.
func (p *Project) missing(deployment addr.Deployment, n *state.Node) hcl.Diagnostics {
	if resource := p.recorded.Resource(n.Resource); resource != nil && resource.Exists() {
		return nil
	}
	return hcl.Diagnostics{errorf("The node does not exist", "%s/%s is recorded, and its %s is not: run nxc apply.", deployment, n.Name, n.Resource.Type)}
}

// reach starts the provider of a node.
func (p *Project) reach(ctx context.Context, deployment addr.Deployment, n *state.Node) (*RunningNode, hcl.Diagnostics) {
	if diags := p.missing(deployment, n); diags.HasErrors() {
		return nil, diags
	}
	resource := p.recorded.Resource(n.Resource)
	if _, diags := p.checkOwner(); diags.HasErrors() {
		return nil, diags
	}
	p.prepareLenient()
	p.Selection = config.Selection{Deployments: []addr.Deployment{deployment}}
	running, diags := p.configure(ctx, resource.Provider, p.evaluatorOf(nil))
	if diags.HasErrors() {
		return nil, diags
	}
	object, diags := p.object(ctx, recordedObject{addr: n.Resource, Incarnation: &resource.Incarnation}, running)
	if diags.HasErrors() {
		return nil, diags
	}
	return &RunningNode{
		Deployment: deployment, Node: *n, provider: running,
		node: plugins.Node{Type: n.Resource.Type, Operation: p.operation(n.Resource, resource.Attempt), Object: object},
	}, nil
}

// Exec runs a program on a node and returns its exit status.
func (p *Project) Exec(ctx context.Context, n *RunningNode, process plugins.Process) (int, hcl.Diagnostics) {
	t := n.provider.schema.Resources[n.node.Type]
	if !slices.Contains(t.Hands, plugins.HandExec) {
		return 0, hcl.Diagnostics{errorf("This node cannot run programs", "%s of provider %s does not offer exec.", n.node.Type, n.provider.name)}
	}
	status, pd := n.provider.Exec(ctx, n.node, process)
	return status, asHCL(pd, nil)
}

// targetOf finds the deployment that a node's name means.
func (p *Project) targetOf(target string) (addr.Deployment, string, hcl.Diagnostics) {
	var with []addr.Deployment
	for _, d := range p.recorded.Deployments() {
		if !d.Name.IsTop() && len(d.Nodes) > 0 {
			with = append(with, d.Name)
		}
	}
	fail := func(summary, format string, args ...any) (addr.Deployment, string, hcl.Diagnostics) {
		return addr.Deployment{}, "", hcl.Diagnostics{errorf(summary, format, args...)}
	}
	if len(with) == 0 {
		return fail("Nothing runs", "The state knows no nodes. Run nxc apply first.")
	}
	if name, node, ok := strings.Cut(target, "/"); ok {
		d, err := addr.ParseDeployment(name)
		if err != nil {
			return fail("A node's name is not one", "%v; it is NAME, or COMPOSITION::FLAVOUR/NAME.", err)
		}
		if !slices.Contains(with, d) {
			return fail("This deployment does not run", "%s does not run. What runs: %s.", d, joinDeployments(with))
		}
		return d, node, nil
	}
	chosen := with
	if len(p.o.Flavours) > 0 {
		chosen = slices.DeleteFunc(slices.Clone(with), func(d addr.Deployment) bool {
			return !slices.Contains(p.o.Flavours, d.Flavour) && !slices.Contains(p.o.Flavours, d.String())
		})
	}
	switch len(chosen) {
	case 0:
		return fail("This deployment does not run", "%s does not run. What runs: %s.", strings.Join(p.o.Flavours, ", "), joinDeployments(with))
	case 1:
		return chosen[0], target, nil
	}
	example := chosen[0]
	for _, d := range chosen {
		if p.recorded.Deployment(d).Node(target) != nil {
			example = d
			break
		}
	}
	if target == "" {
		target = "NODE"
	}
	return fail("Which deployment?", "%s run. Choose one with -flavour, or write %s/%s.", joinDeployments(chosen), example, target)
}

func joinDeployments(list []addr.Deployment) string {
	names := make([]string, len(list))
	for i, d := range list {
		names[i] = d.String()
	}
	return strings.Join(names, ", ")
}
