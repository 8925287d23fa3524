package docker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Network is a network of the engine.
type Network struct {
	Name        string            `nxc:"name,required,replace" doc:"The network's own name. The engine knows it by network_name."`
	Driver      string            `nxc:"driver,optional,replace,default=bridge" doc:"What makes the network."`
	Subnet      string            `nxc:"subnet,optional,computed,replace,exclusive" doc:"Addresses in CIDR notation; chosen by the engine when left out."`
	Gateway     string            `nxc:"gateway,optional,computed,replace" doc:"The engine's own address in the network."`
	Internal    bool              `nxc:"internal,optional,replace,default=false" doc:"Without a way out to other networks."`
	Labels      map[string]string `nxc:"labels,optional,replace" doc:"Labels beside nxc's own."`
	NetworkName string            `nxc:"network_name,optional,computed,replace,exclusive" doc:"Name in the engine; by default one that no other deployment has."`
	ID          string            `nxc:"id,computed" doc:"The engine's identifier."`
}

// networks handles docker_network.
type networks struct{ *engine }

func (n networks) Create(ctx context.Context, op sdk.Operation, want *Network) error {
	labels, err := marks(op, "docker_network", want.Name, want.Labels, want)
	if err != nil {
		return err
	}
	name := want.NetworkName
	if name == "" {
		name = outsideName(op, want.Name)
	} else if err := n.refuseDuplicate(ctx, name); err != nil {
		return err
	}
	ipam, err := addressing(want)
	if err != nil {
		return err
	}
	through, cancel, err := committed(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	op.Phase("creating the network")
	made, err := n.client.NetworkCreate(through, name, client.NetworkCreateOptions{
		Driver: want.Driver, Internal: want.Internal, IPAM: ipam, Labels: labels,
	})
	if err != nil {
		return n.explain(ctx, name, want, err)
	}
	want.ID, want.NetworkName = made.ID, name
	seen, err := n.client.NetworkInspect(ctx, made.ID, client.NetworkInspectOptions{})
	if err != nil {
		return fmt.Errorf("read the new network %s: %w", want.NetworkName, err)
	}
	want.observe(seen.Network.Network)
	return nil
}

// addressing is the engine's form of a network's subnet and gateway.
func addressing(want *Network) (*network.IPAM, error) {
	if want.Subnet == "" {
		if want.Gateway != "" {
			return nil, sdk.AttributeError("gateway", "A gateway needs a subnet", "Set subnet as well, or leave gateway out.")
		}
		return nil, nil
	}
	subnet, err := parseSubnet(want.Subnet)
	if err != nil {
		return nil, err
	}
	pool := network.IPAMConfig{Subnet: subnet, Gateway: subnet.Addr().Next()}
	if want.Gateway != "" {
		if pool.Gateway, err = netip.ParseAddr(want.Gateway); err != nil || !subnet.Contains(pool.Gateway) {
			return nil, sdk.AttributeError("gateway", "The gateway is no address of the subnet",
				fmt.Sprintf("%q is not an address of %s, such as %s.", want.Gateway, subnet, subnet.Addr().Next()))
		}
	}
	return &network.IPAM{Driver: "default", Config: []network.IPAMConfig{pool}}, nil
}

// parseSubnet reads the subnet attribute of a network or flavour.
func parseSubnet(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() > 29 {
		return netip.Prefix{}, sdk.AttributeError("subnet", "This is not a subnet",
			fmt.Sprintf("%q is not an IPv4 subnet in CIDR notation, such as 10.89.0.0/24, of at least eight addresses.", text))
	}
	return p, nil
}

// refuseDuplicate makes sure that a name that the user chose is free: the
// engine itself would make a second network of one name.
func (n networks) refuseDuplicate(ctx context.Context, name string) error {
	list, err := n.client.NetworkList(ctx, client.NetworkListOptions{Filters: make(client.Filters).Add("name", name)})
	if err != nil {
		return fmt.Errorf("list networks called %s: %w", name, err)
	}
	for _, other := range list.Items {
		if other.Name == name {
			return sdk.AttributeError("network_name", "The engine has another network of this name",
				fmt.Sprintf("Network %s (%s) is %s, and is left alone. Choose another network_name, or leave it out.", name, other.ID[:12], owner("docker_network", other.Labels)))
		}
	}
	return nil
}

// explain says what a refused network collides with.
func (n networks) explain(ctx context.Context, name string, want *Network, err error) error {
	if !strings.Contains(err.Error(), "overlap") || want.Subnet == "" {
		return fmt.Errorf("create network %s: %w", name, err)
	}
	with := "another network"
	if list, listErr := n.client.NetworkList(ctx, client.NetworkListOptions{}); listErr == nil {
		subnet, _ := netip.ParsePrefix(want.Subnet)
		for _, other := range list.Items {
			for _, c := range other.IPAM.Config {
				if c.Subnet.IsValid() && c.Subnet.Overlaps(subnet) {
					with = fmt.Sprintf("network %s (%s, %s)", other.Name, c.Subnet, owner("docker_network", other.Labels))
				}
			}
		}
	}
	return sdk.AttributeError("subnet", "The subnet is in use",
		fmt.Sprintf("%s overlaps %s. Plan again to get a free one, or choose another subnet.", want.Subnet, with))
}

// observe takes over what the engine says of the network.
func (w *Network) observe(seen network.Network) {
	w.ID, w.NetworkName, w.Driver, w.Internal = seen.ID, seen.Name, seen.Driver, seen.Internal
	for _, c := range seen.IPAM.Config {
		if c.Subnet.Addr().Is4() {
			w.Subnet = c.Subnet.String()
			if c.Gateway.IsValid() {
				w.Gateway = c.Gateway.String()
			}
			return
		}
	}
}

func (n networks) Read(ctx context.Context, op sdk.Operation, have *Network) (bool, error) {
	seen, err := n.seek(ctx, op, have)
	if seen == nil || err != nil {
		return false, err
	}
	have.observe(*seen)
	return true, nil
}

// seek returns the network that have stands for, by its identifier or, when
// that was never recorded, by its labels; nil when there is none.
func (n networks) seek(ctx context.Context, op sdk.Operation, have *Network) (*network.Network, error) {
	if have.ID == "" {
		list, err := n.client.NetworkList(ctx, client.NetworkListOptions{Filters: ofDeployment(op, "docker_network", true)})
		if err != nil {
			return nil, fmt.Errorf("look for network %s: %w", have.Name, err)
		}
		if op.Attempt == "" || len(list.Items) == 0 {
			return nil, nil
		}
		return &list.Items[0].Network, nil
	}
	seen, err := n.client.NetworkInspect(ctx, have.ID, client.NetworkInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read network %s: %w", have.NetworkName, err)
	}
	return &seen.Network.Network, nil
}

// Delete removes the network. It comes after the deployment's containers, so
// what these may have left of control groups goes with it.
func (n networks) Delete(ctx context.Context, op sdk.Operation, have *Network) error {
	n.removeStrays(ctx, op)
	seen, err := n.seek(ctx, op, have)
	if seen == nil || err != nil {
		return err
	}
	if !ours(op, "docker_network", seen.Labels) {
		return notOurs("network", seen.Name, seen.ID, seen.Labels)
	}
	op.Phase("removing the network")
	_, err = n.client.NetworkRemove(ctx, seen.ID, client.NetworkRemoveOptions{})
	switch {
	case err == nil, errdefs.IsNotFound(err):
		return nil
	case strings.Contains(err.Error(), "active endpoints"):
		return n.stillUsed(ctx, seen)
	}
	return fmt.Errorf("remove network %s: %w", seen.Name, err)
}

// stillUsed names the containers that keep a network from being removed.
func (n networks) stillUsed(ctx context.Context, used *network.Network) error {
	var names []string
	if seen, err := n.client.NetworkInspect(ctx, used.ID, client.NetworkInspectOptions{}); err == nil {
		for _, c := range seen.Network.Containers {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return sdk.Error(fmt.Sprintf("Network %s is in use", used.Name),
		fmt.Sprintf("Containers that nxc did not put there are connected: %s. Disconnect them with docker network disconnect, then destroy again.", strings.Join(names, ", ")))
}

func (n networks) Find(ctx context.Context, op sdk.Operation) ([]sdk.Found[Network], error) {
	list, err := n.client.NetworkList(ctx, client.NetworkListOptions{Filters: ofDeployment(op, "docker_network", false)})
	if err != nil {
		return nil, fmt.Errorf("find networks: %w", err)
	}
	var found []sdk.Found[Network]
	for _, seen := range list.Items {
		f := sdk.Found[Network]{Address: seen.Labels[labelAddress], Attempt: seen.Labels[labelAttempt], Complete: true}
		if err := askedFor(seen.Labels, &f.Object); err != nil {
			return nil, err
		}
		f.Object.observe(seen.Network)
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b sdk.Found[Network]) int { return strings.Compare(a.Object.ID, b.Object.ID) })
	return found, nil
}
