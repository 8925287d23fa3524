package deploy

import (
	"context"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/plugins"
)

// What nodes can do, whatever provider they are of. Each verb is refused for a
// type of node that does not offer it.

// Offers reports whether a node has a hand.
func (n *RunningNode) Offers(h plugins.Hand) bool {
	return slices.Contains(n.provider.schema.Resources[n.node.Type].Hands, h)
}

// offers says why a node lacks a hand; nothing when it has it.
func (n *RunningNode) offers(h plugins.Hand, cannot string) hcl.Diagnostics {
	if n.Offers(h) {
		return nil
	}
	return hcl.Diagnostics{errorf("This node cannot "+cannot, "%s of provider %s does not offer %s.", n.node.Type, n.provider.name, h)}
}

// String names a node as people do on the command line.
func (n *RunningNode) String() string { return n.Deployment.String() + "/" + n.Name }

// Power starts, stops, crashes, resets, pauses or unpauses a node. It tells
// progress what is being done.
func (p *Project) Power(ctx context.Context, n *RunningNode, a plugins.PowerAction, progress func(plugins.Progress)) hcl.Diagnostics {
	if diags := n.offers(plugins.HandPower, "be switched"); diags.HasErrors() {
		return diags
	}
	return asHCL(n.provider.Power(ctx, n.node, a, progress), nil)
}

// Console streams what a node printed, and prints.
func (p *Project) Console(ctx context.Context, n *RunningNode, c plugins.Console) hcl.Diagnostics {
	if diags := n.offers(plugins.HandConsole, "show its console"); diags.HasErrors() {
		return diags
	}
	return asHCL(n.provider.Console(ctx, n.node, c), nil)
}

// Copy moves files to or from a node.
func (p *Project) Copy(ctx context.Context, n *RunningNode, c plugins.Copy) hcl.Diagnostics {
	if diags := n.offers(plugins.HandCopy, "copy files"); diags.HasErrors() {
		return diags
	}
	return asHCL(n.provider.Copy(ctx, n.node, c), nil)
}

// Monitor tells what runs a node a command in its own words.
func (p *Project) Monitor(ctx context.Context, n *RunningNode, command string) (string, hcl.Diagnostics) {
	if diags := n.offers(plugins.HandMonitor, "be told so: nothing that runs it listens"); diags.HasErrors() {
		return "", diags
	}
	answer, d := n.provider.Monitor(ctx, n.node, command)
	return answer, asHCL(d, nil)
}

// Link changes the quality of a node's network. It holds until it is changed
// again, or the node starts anew.
func (p *Project) Link(ctx context.Context, n *RunningNode, l plugins.Link) hcl.Diagnostics {
	if diags := n.offers(plugins.HandLink, "change its network"); diags.HasErrors() {
		return diags
	}
	return asHCL(n.provider.Link(ctx, n.node, l), nil)
}
