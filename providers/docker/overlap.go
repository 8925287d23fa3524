package docker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

var _ sdk.Planner[Network] = networks{}

// Plan says early what is already certain, and finds out whether the addresses
// of a network that is to be made are somebody else's.
func (n networks) Plan(ctx context.Context, op sdk.Operation, prior *Network, p *sdk.Planned[Network]) error {
	v := &p.Value
	if !v.IPv6 && !p.Unknown("ipv6") {
		for _, name := range []string{"subnet6", "gateway6"} {
			if p.Unknown(name) {
				p.SetKnown(name)
			}
		}
	}
	if prior != nil && otherAddresses(prior, v) {
		return nil // asked again as a network to be made, without what the engine chose for this one
	}
	if _, err := addressing(v); err != nil && v.Subnet+v.Subnet6 != "" && !p.Unknown("subnet") && !p.Unknown("subnet6") {
		return err
	}
	if n.client == nil || prior != nil {
		return nil
	}
	return n.overlap(ctx, op, v)
}

// otherAddresses reports whether a network has to be another one because its
// addresses are others. Until that is decided, a gateway that the engine chose
// stands beside the new subnet.
func otherAddresses(prior, want *Network) bool {
	return prior.Subnet != want.Subnet || prior.Subnet6 != want.Subnet6 || prior.IPv6 != want.IPv6
}

// overlap compares the subnets that a network is to have with those of the
// engine's networks and with the routes of its host. Another network of nxc's
// may be gone by the time of the apply, so it is only warned of.
func (n networks) overlap(ctx context.Context, op sdk.Operation, want *Network) error {
	list, err := n.networksNow(ctx)
	if err != nil {
		return err
	}
	for _, wish := range want.subnets() {
		subnet := wish.subnet
		for _, other := range list {
			c, overlaps := overlapping(other, subnet)
			switch {
			case !overlaps || other.Labels[labelDeployment] == op.UUID && op.UUID != "":
			case other.Labels[labelType] == "docker_network":
				return sdk.Warn(fmt.Sprintf("The subnet %s is in use now", subnet),
					fmt.Sprintf("Network %s (%s) has %s. Unless that network is removed first, the apply fails.", other.Name, owner("docker_network", other.Labels), c))
			default:
				return inUse(wish.attribute, subnet, other, c)
			}
		}
		if route, ok := n.routeInto(subnet, list); ok && want.Driver == "bridge" {
			return sdk.Warn(fmt.Sprintf("The subnet %s hides others", subnet),
				fmt.Sprintf("The engine's host has a route to %s, whose addresses it would no longer reach. Choose another subnet.", route))
		}
	}
	return nil
}

// wish is a subnet that a network is to have, and the attribute that says so.
type wish struct {
	attribute string
	subnet    netip.Prefix
}

// subnets are those that the network asks for, as far as they are known.
func (w *Network) subnets() []wish {
	var list []wish
	for _, one := range []struct{ attribute, text string }{{"subnet", w.Subnet}, {"subnet6", w.Subnet6}} {
		if p, err := netip.ParsePrefix(one.text); err == nil {
			list = append(list, wish{one.attribute, p})
		}
	}
	return list
}

// routeInto is a route of the engine's host, where that is this machine, that
// overlaps a subnet and is not one of the networks' own.
func (n networks) routeInto(subnet netip.Prefix, list []network.Summary) (netip.Prefix, bool) {
	if !n.sameHost() {
		return netip.Prefix{}, false
	}
	for _, route := range hostRoutes() {
		own := slices.ContainsFunc(list, func(other network.Summary) bool {
			_, overlaps := overlapping(other, route)
			return overlaps
		})
		if route.Overlaps(subnet) && !own {
			return route, true
		}
	}
	return netip.Prefix{}, false
}

// overlapping is the subnet of a network that overlaps another.
func overlapping(other network.Summary, subnet netip.Prefix) (netip.Prefix, bool) {
	for _, c := range other.IPAM.Config {
		if c.Subnet.IsValid() && c.Subnet.Overlaps(subnet) {
			return c.Subnet, true
		}
	}
	return netip.Prefix{}, false
}

func inUse(attribute string, subnet netip.Prefix, other network.Summary, c netip.Prefix) error {
	return sdk.AttributeError(attribute, "The subnet is in use",
		fmt.Sprintf("%s overlaps network %s (%s, %s). Plan again to get a free one, or choose another subnet.", subnet, other.Name, c, owner("docker_network", other.Labels)))
}

func (e *engine) networksNow(ctx context.Context) ([]network.Summary, error) {
	list, err := e.client.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the engine's networks: %w", err)
	}
	return list.Items, nil
}

// explain says what a refused network collides with.
func (n networks) explain(ctx context.Context, name string, want *Network, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "overlap"), strings.Contains(text, "already used on the host"):
		list, _ := n.networksNow(ctx) // without it, the engine's word has to do
		for _, wish := range want.subnets() {
			for _, other := range list {
				if c, overlaps := overlapping(other, wish.subnet); overlaps {
					return inUse(wish.attribute, wish.subnet, other, c)
				}
			}
		}
	case want.Driver == "macvlan" && (strings.Contains(text, "parent") || strings.Contains(text, "interface")):
		return sdk.AttributeError("options", "The engine cannot make this macvlan",
			fmt.Sprintf("The engine says: %s. options = { parent = \"eth1\" } names an interface of the engine's host that no other macvlan uses.", text))
	case strings.Contains(text, "plugin") && strings.Contains(text, "not found"):
		return sdk.AttributeError("driver", "The engine has no such driver of networks",
			fmt.Sprintf("The engine does not have the driver %q. Usual ones are bridge and macvlan; see docker info.", want.Driver))
	}
	return fmt.Errorf("create network %s: %w", name, err)
}

// disconnectOwn takes the deployment's own containers off a network that is to
// be removed: they stay, and lose one of their networks.
func (n networks) disconnectOwn(ctx context.Context, op sdk.Operation, used *network.Network) error {
	seen, err := n.client.NetworkInspect(ctx, used.ID, client.NetworkInspectOptions{})
	if err != nil {
		return fmt.Errorf("read network %s: %w", used.Name, err)
	}
	for _, id := range keysOf(seen.Network.Containers) {
		c, err := n.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		all := op
		all.Attempt = "" // the containers' are others
		if err != nil || c.Container.Config == nil || !ours(all, "docker_container", c.Container.Config.Labels) {
			continue // a stranger's, or gone by now
		}
		if mode := string(c.Container.HostConfig.NetworkMode); mode == used.ID || mode == used.Name {
			continue // it cannot be without its first network
		}
		if _, err := n.client.NetworkDisconnect(ctx, used.ID, client.NetworkDisconnectOptions{Container: id}); err != nil {
			return fmt.Errorf("disconnect %s from network %s: %w", strings.TrimPrefix(c.Container.Name, "/"), used.Name, err)
		}
	}
	return nil
}
