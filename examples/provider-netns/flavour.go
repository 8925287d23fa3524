package main

import (
	"context"
	"net/netip"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// FlavourConfig is the body of a flavour block.
type FlavourConfig struct {
	Subnet  string             `nxc:"subnet,default=10.76.0.0/24" doc:"The deployment's network; another deployment may have the same."`
	Command map[string]Command `nxc:"command" doc:"Role or node to what it runs."`
}

func expand(_ context.Context, r sdk.ExpandRequest[FlavourConfig], out *sdk.Expansion) error {
	subnet, err := parse(r.Flavour.Subnet)
	if err != nil {
		return err
	}
	laid, err := sdk.Nodes(r.Roles, "This machine")
	if err != nil {
		return err
	}
	if err := sdk.CheckKeys(laid, sdk.KeyedBy("command", r.Flavour.Command)); err != nil {
		return err
	}
	addresses, err := addressesOf(laid, subnet, r.ExpandRequest)
	if err != nil {
		return err
	}
	sdk.Add(out, "netns_network", "lan", Network{Subnet: subnet.String()})
	for _, n := range laid {
		command, _ := sdk.Of(r.Flavour.Command, n)
		sdk.Add(out, "netns_node", n.Name, Node{
			Name: n.Name, System: n.Role.System, Command: command,
			Address: addresses[n.Name].String(), Bits: subnet.Bits(),
		}).Ref("network", "netns_network", "lan", "id")
		out.Node(plugins.ExpandedNode{
			Name: n.Name, Role: n.Role.Name, Index: n.Index, System: n.Role.System,
			Resource: plugins.ResourceKey{Type: "netns_node", Key: n.Name}, Address: "address",
		})
	}
	return nil
}

// addressesOf gives each node the address that it had, or a free one.
func addressesOf(laid []sdk.LaidOut, subnet netip.Prefix, r plugins.ExpandRequest) (map[string]netip.Addr, error) {
	prior, err := sdk.Prior[Node](r, "netns_node")
	if err != nil {
		return nil, err
	}
	had := map[string]netip.Addr{}
	for name, node := range prior {
		if a, err := netip.ParseAddr(node.Address); err == nil {
			had[name] = a
		}
	}
	var names []string
	for _, n := range laid {
		names = append(names, n.Name)
	}
	return sdk.Addresses(subnet, subnet.Addr().Next(), names, had)
}
