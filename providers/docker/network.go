package docker

import (
	"context"
	"fmt"
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
	Driver      string            `nxc:"driver,optional,replace,default=bridge" doc:"What makes the network: bridge, macvlan, or another that the engine has."`
	Options     map[string]string `nxc:"options,optional,replace" doc:"Options of the driver. A macvlan needs the parent: options = { parent = \"eth1\" }."`
	Subnet      string            `nxc:"subnet,optional,computed,replace,exclusive" doc:"Addresses in CIDR notation; chosen by the engine when left out."`
	Gateway     string            `nxc:"gateway,optional,computed,replace" doc:"The engine's own address in the network."`
	IPRange     string            `nxc:"ip_range,optional,replace" doc:"Part of the subnet from which the engine chooses addresses, where others have the rest."`
	IPv6        bool              `nxc:"ipv6,optional,replace,default=false" doc:"Whether the network has IPv6 beside IPv4."`
	Subnet6     string            `nxc:"subnet6,optional,computed,replace,exclusive" doc:"Addresses of IPv6 in CIDR notation; when left out, a /64 that is drawn for the network alone from those for local use."`
	Gateway6    string            `nxc:"gateway6,optional,computed,replace" doc:"The engine's own address of IPv6 in the network."`
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
	if want.IPv6 && want.Subnet6 == "" {
		want.Subnet6 = uniqueLocal(op.UUID, op.Address).String()
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
		Driver: want.Driver, Options: want.Options, Internal: want.Internal, EnableIPv6: &want.IPv6, IPAM: ipam, Labels: labels,
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

// observe takes over what the engine says of the network.
func (w *Network) observe(seen network.Network) {
	w.ID, w.NetworkName, w.Driver, w.Internal, w.IPv6 = seen.ID, seen.Name, seen.Driver, seen.Internal, seen.EnableIPv6
	for _, c := range slices.Backward(seen.IPAM.Config) { // the first of a family counts
		subnet, gateway := &w.Subnet, &w.Gateway
		if c.Subnet.Addr().Is6() {
			subnet, gateway = &w.Subnet6, &w.Gateway6
		}
		if *subnet = c.Subnet.String(); c.Gateway.IsValid() {
			*gateway = c.Gateway.String()
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
	if err != nil && strings.Contains(err.Error(), "active endpoints") {
		if err := n.disconnectOwn(ctx, op, seen); err != nil {
			return err
		}
		_, err = n.client.NetworkRemove(ctx, seen.ID, client.NetworkRemoveOptions{})
	}
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
	if len(names) == 0 {
		return sdk.Error(fmt.Sprintf("Network %s is in use", used.Name),
			"The engine says that containers are connected, and names none: a container that is being removed, or one of another node of a swarm. Destroy again in a moment.")
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
