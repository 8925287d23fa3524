package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// FurtherNetwork is a network that some nodes of a deployment have beside the
// one that all have.
type FurtherNetwork struct {
	Name     string            `nxc:"name,required" doc:"The network's name."`
	Members  []string          `nxc:"members,optional" doc:"Roles or nodes that join it; all when left out."`
	Existing string            `nxc:"existing,optional" doc:"Name of a network that the engine has already, to join that one instead of making one."`
	Driver   string            `nxc:"driver,optional" doc:"What makes the network, such as macvlan; by default bridge."`
	Options  map[string]string `nxc:"options,optional" doc:"Options of the driver. A macvlan needs the parent: options = { parent = \"eth1\" }."`
	Subnet   string            `nxc:"subnet,optional" doc:"Addresses in CIDR notation; by default the first that are free."`
	Gateway  string            `nxc:"gateway,optional" doc:"The way out; by default the subnet's first address."`
	IPv6     bool              `nxc:"ipv6,optional" doc:"Whether it has IPv6 as well."`
	Internal bool              `nxc:"internal,optional" doc:"Without a way out to other networks."`
}

// members are the nodes that join a network.
func (f FurtherNetwork) members(nodes []node) []node {
	if f.Members == nil {
		return nodes
	}
	var some []node
	for _, n := range nodes {
		if slices.Contains(f.Members, n.Name) || slices.Contains(f.Members, n.Role.Name) {
			some = append(some, n)
		}
	}
	return some
}

// connections are the further networks of nodes, and which of them the
// deployment makes itself.
type connections struct {
	of    map[string][]Connection // node to networks
	named map[string][]string     // the same networks by their names
	own   []Network               // in the configuration's order
}

// furtherNetworks lays out the networks beside the first one. What the
// deployment has already keeps its subnet and its addresses.
func (e *engine) furtherNetworks(r sdk.ExpandRequest[FlavourConfig], nodes []node) (connections, error) {
	c := connections{of: map[string][]Connection{}, named: map[string][]string{}}
	deployment := r.Composition + "::" + r.Label
	networks, err := sdk.Prior[Network](r.ExpandRequest, "docker_network")
	if err != nil {
		return c, err
	}
	containers, err := sdk.Prior[Container](r.ExpandRequest, "docker_container")
	if err != nil {
		return c, err
	}
	seen := map[string]bool{keyNetwork: true}
	for i, f := range r.Flavour.Networks {
		path := fmt.Sprintf("network[%d]", i)
		if f.Name == "" || seen[f.Name] || plain(f.Name, nameLetters) != f.Name {
			return c, sdk.AttributeError(path+".name", fmt.Sprintf("%q cannot name a further network", f.Name),
				fmt.Sprintf("A name is made of letters, digits, - and _, no two are the same, and %s is the network that all nodes have.", keyNetwork))
		}
		seen[f.Name] = true
		members := f.members(nodes)
		if f.Existing != "" {
			for _, n := range members {
				c.join(n, nodes, f.Name, Connection{Network: f.Existing})
			}
			continue
		}
		subnet, err := e.furtherSubnet(deployment+"\x00"+f.Name, path, f, networks[f.Name], len(members))
		if err != nil {
			return c, err
		}
		had := map[string]netip.Addr{}
		for key, prior := range containers {
			for _, one := range prior.Connections {
				if a, err := netip.ParseAddr(one.IP); err == nil && one.Network == networks[f.Name].ID {
					had[key] = a
				}
			}
		}
		own := Network{Name: f.Name, Driver: f.Driver, Options: f.Options, Subnet: subnet.String(), Gateway: f.Gateway, IPv6: f.IPv6, Internal: f.Internal}
		if own.Gateway == "" {
			own.Gateway = subnet.Addr().Next().String()
		}
		gateway, _ := netip.ParseAddr(own.Gateway) // one that is no address, the network itself refuses
		given, err := sdk.Addresses(subnet, gateway, namesOf(members), had)
		if err != nil {
			return c, sdk.AttributeError(path+".subnet", "The network is too small", fmt.Sprintf("%s. Set a larger subnet, such as %s.", err, larger(subnet)))
		}
		six := uniqueLocal(e.seed+"\x00"+deployment, f.Name)
		if f.IPv6 {
			own.Subnet6 = six.String()
		}
		c.own = append(c.own, own)
		for _, n := range members {
			one := Connection{IP: given[n.Name].String()}
			if f.IPv6 {
				a, _ := twin(given[n.Name], subnet, six) // a /64 has room
				one.IP6 = a.String()
			}
			c.join(n, nodes, f.Name, one)
		}
	}
	return c, nil
}

// join puts a node into a network, where its role's name means all its nodes,
// unless a node is called so.
func (c *connections) join(n node, nodes []node, name string, one Connection) {
	one.Aliases = aliasesOf(n, nodes)
	c.of[n.Name] = append(c.of[n.Name], one)
	c.named[n.Name] = append(c.named[n.Name], name)
}

// add makes the deployment's own further networks.
func (c *connections) add(out *sdk.Expansion) {
	for _, one := range c.own {
		sdk.Add(out, "docker_network", one.Name, one)
	}
}

// refer lets a node's container know the networks that are yet to be made.
func (c *connections) refer(name string, added *sdk.Added) {
	for i, network := range c.named[name] {
		if c.of[name][i].Network == "" {
			added.Ref(fmt.Sprintf("connection[%d].network", i), "docker_network", network, "id")
		}
	}
}

func (e *engine) furtherSubnet(key, path string, f FurtherNetwork, prior Network, nodes int) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(prior.Subnet)
	switch {
	case f.Subnet != "":
		if p, err = parseSubnet(f.Subnet); err != nil {
			var d plugins.Diagnostics
			if errors.As(err, &d) && len(d) > 0 {
				err = sdk.AttributeError(path+".subnet", d[0].Summary, d[0].Detail)
			}
		}
	case err != nil:
		if p, err = e.subnetFor(key, nodes); err != nil {
			err = sdk.AttributeError(path+".subnet", "No subnet is free", fmt.Sprintf("%s. Set subnet to addresses that nothing else uses, or the provider's subnets.", err))
		}
	}
	if err == nil {
		e.reserve(key, p)
	}
	return p, err
}

// second gives the nodes IPv6 in the network that all have, each at the place
// that it has in IPv4.
func (e *engine) second(r sdk.ExpandRequest[FlavourConfig], lan *Network, addresses map[string]netip.Addr) (map[string]netip.Addr, error) {
	c := &r.Flavour
	if !c.IPv6 {
		if c.Subnet6 != "" {
			return nil, sdk.AttributeError("ipv6", "The network has no IPv6", "Set ipv6 = true, or leave subnet6 out.")
		}
		return nil, nil
	}
	four, six := netip.MustParsePrefix(lan.Subnet), uniqueLocal(e.seed+"\x00"+r.Composition+"::"+r.Label, keyNetwork)
	if c.Subnet6 != "" {
		var err error
		if six, err = parseSubnet6(c.Subnet6); err != nil {
			return nil, err
		}
	}
	lan.IPv6, lan.Subnet6, lan.Gateway6 = true, six.String(), six.Addr().Next().String()
	given := map[string]netip.Addr{}
	for _, name := range keysOf(addresses) {
		a, ok := twin(addresses[name], four, six)
		if !ok {
			return nil, sdk.AttributeError("subnet6", "The network is too small", fmt.Sprintf("%s has no address for %s. Set a larger subnet6.", six, name))
		}
		given[name] = a
	}
	return given, nil
}

func namesOf(nodes []node) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	return names
}

// aliasesOf are a node's names beside its own: its role's means all the role's
// nodes, unless a node is called so.
func aliasesOf(n node, nodes []node) []string {
	if slices.ContainsFunc(nodes, func(o node) bool { return o.Name == n.Role.Name }) {
		return nil
	}
	return []string{n.Role.Name}
}

// memberKeys are the roles and nodes that the further networks name.
func memberKeys(networks []FurtherNetwork) []string {
	var keys []string
	for _, f := range networks {
		keys = append(keys, f.Members...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// existingOf are the further networks that the engine has already.
func existingOf(networks []FurtherNetwork) []FurtherNetwork {
	return slices.DeleteFunc(slices.Clone(networks), func(f FurtherNetwork) bool { return f.Existing == "" })
}

// nameLetters are those of a further network's name.
const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
