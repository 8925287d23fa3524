package lan

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/containers/gvisor-tap-vsock/pkg/services/dhcp"
	"github.com/containers/gvisor-tap-vsock/pkg/services/dns"
	"github.com/containers/gvisor-tap-vsock/pkg/tap"
	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

// names answers for the machines, and asks the host about everything else.
type names struct {
	*net.Resolver // of the host; nil without NAT

	mu    sync.RWMutex
	known map[string]netip.Addr
}

// set replaces the known names.
func (n *names) set(ports []Port) {
	known := map[string]netip.Addr{}
	for _, p := range ports {
		for _, name := range p.Names {
			if _, taken := known[name]; !taken {
				known[strings.ToLower(name)] = p.Address
			}
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known = known
}

// LookupIPAddr is what the name server asks for an address.
func (n *names) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	n.mu.RLock()
	a, ok := n.known[name]
	n.mu.RUnlock()
	if ok {
		return []net.IPAddr{{IP: a.AsSlice()}}, nil
	}
	// A name without a dot is a machine's; the host's own are not told.
	if n.Resolver == nil || !strings.Contains(name, ".") {
		return nil, &net.DNSError{Err: "no such machine", Name: host, IsNotFound: true}
	}
	return n.Resolver.LookupIPAddr(ctx, host)
}

// serveNames answers DNS at the gateway.
func (n *network) serveNames() error {
	n.names = &names{}
	if n.config.NAT {
		n.names.Resolver = &net.Resolver{}
	}
	here := tcpip.FullAddress{NIC: nic, Addr: address(n.config.Gateway()), Port: 53}
	datagrams, err := gonet.DialUDP(n.stack, &here, nil, ipv4.ProtocolNumber)
	if err != nil {
		return err
	}
	streams, err := gonet.ListenTCP(n.stack, here, ipv4.ProtocolNumber)
	if err != nil {
		return err
	}
	server, err := dns.NewWithUpstreamResolver(datagrams, streams, nil, n.names)
	if err != nil {
		return err
	}
	go func() { _ = server.Serve() }() // it ends with the network
	go func() { _ = server.ServeTCP() }()
	return nil
}

// serveAddresses answers DHCP: each port has one address, its own.
func (n *network) serveAddresses() error {
	mask := net.CIDRMask(n.config.Subnet.Bits(), 32)
	n.pool = tap.NewIPPool(&net.IPNet{IP: n.config.Subnet.Addr().AsSlice(), Mask: mask})
	gateway := n.config.Gateway()
	n.pool.Reserve(gateway.AsSlice(), MAC(gateway))
	server, err := dhcp.New(&types.Configuration{
		Subnet: n.config.Subnet.String(), GatewayIP: gateway.String(), GatewayMacAddress: MAC(gateway), MTU: mtu,
	}, n.stack, n.pool)
	if err != nil {
		return err
	}
	go func() { _ = server.Serve() }() // it ends with the network
	return nil
}
