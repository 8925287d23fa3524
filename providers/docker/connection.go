package docker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Connection is a further network of a container.
type Connection struct {
	Network string   `nxc:"network,required" doc:"Network to join as well, by id or name."`
	IP      string   `nxc:"ip,optional" doc:"Fixed IPv4 address in it."`
	IP6     string   `nxc:"ip6,optional" doc:"Fixed IPv6 address in it."`
	Aliases []string `nxc:"aliases,optional" doc:"Further names in it, beside the container's own."`
}

// same reports whether two connections ask for the same of the same network.
func (c Connection) same(o Connection) bool {
	return c.Network == o.Network && c.IP == o.IP && c.IP6 == o.IP6 && slices.Equal(c.Aliases, o.Aliases)
}

// endpoint is a place in a network as the engine takes it, under names and at
// addresses. Errors name the attributes ip and ip6 below path.
func endpointAt(path string, names []string, ip, ip6 string) (*network.EndpointSettings, error) {
	e := &network.EndpointSettings{Aliases: slices.Compact(names)}
	if ip == "" && ip6 == "" {
		return e, nil
	}
	e.IPAMConfig = &network.EndpointIPAMConfig{}
	var err error
	if ip != "" {
		if e.IPAMConfig.IPv4Address, err = netip.ParseAddr(ip); err != nil || !e.IPAMConfig.IPv4Address.Is4() {
			return nil, sdk.AttributeError(path+"ip", "This is not an address", fmt.Sprintf("%q is not an IPv4 address, such as 10.89.0.2.", ip))
		}
	}
	if ip6 != "" {
		if e.IPAMConfig.IPv6Address, err = netip.ParseAddr(ip6); err != nil || !e.IPAMConfig.IPv6Address.Is6() {
			return nil, sdk.AttributeError(path+"ip6", "This is not an address", fmt.Sprintf("%q is not an IPv6 address, such as fd12:3456:789a::2.", ip6))
		}
	}
	return e, nil
}

// connect puts a container that exists into a further network.
func (c containers) connect(ctx context.Context, want *Container, i int) error {
	one := want.Connections[i]
	path := fmt.Sprintf("connection[%d].", i)
	endpoint, err := endpointAt(path, append([]string{want.Name}, one.Aliases...), one.IP, one.IP6)
	if err != nil {
		return err
	}
	_, err = c.client.NetworkConnect(ctx, one.Network, client.NetworkConnectOptions{Container: want.ID, EndpointConfig: endpoint})
	switch {
	case err == nil:
		return nil
	case errdefs.IsNotFound(err):
		return noNetwork(path+"network", one.Network)
	case strings.Contains(err.Error(), "ddress already in use"):
		return sdk.AttributeError(path+"ip", fmt.Sprintf("The address %s is taken", strings.TrimSpace(one.IP+" "+one.IP6)),
			"Another container of the network has it. Find it with docker network inspect, or leave ip and ip6 out.")
	}
	return fmt.Errorf("connect container %s to network %s: %w", want.ContainerName, one.Network, err)
}

func noNetwork(path, name string) error {
	return sdk.AttributeError(path, "The engine does not have this network",
		fmt.Sprintf("%q is not among the engine's networks. Make it with a docker_network, or see docker network ls; a container and its networks are on one engine.", name))
}

// networkMissing turns the engine's refusal to start a container into an error
// that says which network is not there; nil when err is something else.
func networkMissing(have *Container, err error) error {
	missing := func(name string) bool {
		return name != "" && strings.Contains(err.Error(), "network "+name+" not found")
	}
	if missing(have.Network) {
		return noNetwork("network", have.Network)
	}
	for i, one := range have.Connections {
		if missing(one.Network) {
			return noNetwork(fmt.Sprintf("connection[%d].network", i), one.Network)
		}
	}
	return nil
}

// connectAll puts a container that was just created into its further networks.
func (c containers) connectAll(ctx context.Context, op sdk.Operation, want *Container) error {
	for i := range want.Connections {
		op.Phase("connecting networks")
		if err := c.connect(ctx, want, i); err != nil {
			return err
		}
	}
	return nil
}

// reconnect takes a container off the networks that it is no longer to be in,
// and puts it into those that it is not in yet. One whose address or names
// changed is left and joined again.
func (c containers) reconnect(ctx context.Context, op sdk.Operation, have Container, want *Container) error {
	if slices.EqualFunc(have.Connections, want.Connections, Connection.same) {
		return nil
	}
	op.Phase("connecting networks")
	for _, old := range have.Connections {
		if slices.ContainsFunc(want.Connections, old.same) {
			continue
		}
		if err := c.disconnect(ctx, want, old.Network); err != nil {
			return err
		}
	}
	for i, one := range want.Connections {
		if slices.ContainsFunc(have.Connections, one.same) {
			continue
		}
		// An update that failed half-way may have connected it already.
		if err := c.disconnect(ctx, want, one.Network); err != nil {
			return err
		}
		if err := c.connect(ctx, want, i); err != nil {
			return err
		}
	}
	return nil
}

// disconnect takes a container off a network, if it is in it.
func (c containers) disconnect(ctx context.Context, have *Container, name string) error {
	_, err := c.client.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: have.ID})
	if err == nil || errdefs.IsNotFound(err) || strings.Contains(err.Error(), "is not connected to") {
		return nil
	}
	return fmt.Errorf("disconnect container %s from network %s: %w", have.ContainerName, name, err)
}

// observeNetworks takes over the addresses of a container that runs, and drops
// the further networks that somebody took it off. Those that somebody put it
// into are not ours to name.
func (w *Container) observeNetworks(seen *container.InspectResponse) {
	endpoints := seen.NetworkSettings.Networks
	primary := w.Network
	if primary == "" {
		primary = "bridge"
	}
	if e := endpointOf(endpoints, primary); e != nil {
		if e.IPAddress.IsValid() {
			w.Address = e.IPAddress.String()
		}
		if e.GlobalIPv6Address.IsValid() {
			w.Address6 = e.GlobalIPv6Address.String()
		}
	}
	var kept []Connection
	for _, one := range w.Connections {
		e := endpointOf(endpoints, one.Network)
		if e == nil {
			continue
		}
		if one.IP != "" && e.IPAddress.IsValid() {
			one.IP = e.IPAddress.String()
		}
		if a, err := netip.ParseAddr(one.IP6); err == nil && e.GlobalIPv6Address.IsValid() && a != e.GlobalIPv6Address {
			one.IP6 = e.GlobalIPv6Address.String()
		}
		kept = append(kept, one)
	}
	w.Connections = kept
}

// identifyNetworks gives the networks of a container their identifiers, where
// the engine is Podman, which tells their names in place of them.
func (c containers) identifyNetworks(ctx context.Context, seen *container.InspectResponse) error {
	if !c.isPodman() || seen.NetworkSettings == nil || len(seen.NetworkSettings.Networks) == 0 {
		return nil
	}
	list, err := c.networksNow(ctx)
	if err != nil {
		return err
	}
	for _, one := range list {
		if e := seen.NetworkSettings.Networks[one.Name]; e != nil {
			e.NetworkID = one.ID
		}
	}
	return nil
}

// endpointOf is a container's place in the network of a name or an identifier;
// nil when it is not in it.
func endpointOf(endpoints map[string]*network.EndpointSettings, wanted string) *network.EndpointSettings {
	if e := endpoints[wanted]; e != nil {
		return e
	}
	for _, e := range endpoints {
		if e != nil && len(wanted) >= 12 && strings.HasPrefix(e.NetworkID, wanted) {
			return e
		}
	}
	return nil
}
