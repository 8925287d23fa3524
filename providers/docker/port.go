package docker

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/network"
)

// Port is a port of a container that the engine's host publishes.
type Port struct {
	Container int64  `nxc:"container,required" doc:"Port inside the container."`
	Host      int64  `nxc:"host,optional,default=0" doc:"Port on the host; 0 lets the engine choose a free one."`
	Address   string `nxc:"address,optional,default=0.0.0.0" doc:"The host's address to listen on."`
	Protocol  string `nxc:"protocol,optional,default=tcp" doc:"tcp, udp or sctp."`
}

// claim is what the port takes of the host, for comparison with others.
func (p Port) claim() string {
	return fmt.Sprintf("%s:%d/%s", p.Address, p.Host, p.Protocol)
}

// collides reports whether both ports need the same of the host: 0.0.0.0 is
// every address.
func (p Port) collides(o Port) bool {
	if p.Host == 0 || p.Host != o.Host || p.Protocol != o.Protocol {
		return false
	}
	return p.Address == o.Address || p.Address == "0.0.0.0" || o.Address == "0.0.0.0"
}

// portRange is a published port as users write it: one port, or a range of
// host ports from which each node of a role takes one.
type portRange struct {
	port Port
	last int64 // of the host's ports
}

// nth is the port of the role's n-th node; false when the range has fewer.
func (r portRange) nth(n int) (Port, bool) {
	p := r.port
	if p.Host == 0 {
		return p, true
	}
	p.Host += int64(n)
	return p, p.Host <= r.last
}

// parsePort reads [ADDRESS:][HOST[-HOST]:]CONTAINER[/PROTOCOL], as Docker and
// Compose write it.
func parsePort(text string) (portRange, error) {
	spec, protocol, ok := strings.Cut(text, "/")
	if !ok {
		protocol = "tcp"
	}
	r := portRange{port: Port{Address: "0.0.0.0", Protocol: protocol}}
	if protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return r, fmt.Errorf("%q is not a protocol; write tcp, udp or sctp", protocol)
	}
	address, ports := splitAddress(spec)
	if address != "" {
		a, err := netip.ParseAddr(address)
		if err != nil {
			return r, fmt.Errorf("%q is not an address of the host", address)
		}
		r.port.Address = a.String()
	}
	host, inside, ok := strings.Cut(ports, ":")
	if !ok {
		host, inside = "0", ports
	}
	var err error
	if r.port.Container, err = portNumber(inside, 1); err != nil {
		return r, err
	}
	first, last, isRange := strings.Cut(host, "-")
	if r.port.Host, err = portNumber(first, 0); err != nil {
		return r, err
	}
	r.last = r.port.Host
	if isRange {
		if r.last, err = portNumber(last, 1); err == nil && (r.last < r.port.Host || r.port.Host == 0) {
			err = fmt.Errorf("the range %s is empty", host)
		}
	}
	return r, err
}

// splitAddress cuts the address of the host off, which IPv6 puts in brackets.
func splitAddress(spec string) (address, ports string) {
	if rest, ok := strings.CutPrefix(spec, "["); ok {
		if address, ports, ok := strings.Cut(rest, "]:"); ok {
			return address, ports
		}
	}
	if strings.Count(spec, ":") > 1 {
		address, ports, _ = strings.Cut(spec, ":")
		return address, ports
	}
	return "", spec
}

func portNumber(text string, least int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > 65535 {
		return 0, fmt.Errorf("%q is not a port; ports are numbers from %d to 65535", text, least)
	}
	return n, nil
}

// validPort checks a port whose attributes are known; what is left out has its
// default, or, where it is not known yet, its zero value.
func validPort(p Port) error {
	_, err := netip.ParseAddr(p.Address)
	switch {
	case p.Container < 0 || p.Container > 65535 || p.Host < 0 || p.Host > 65535:
		return fmt.Errorf("port %s to %d: ports are numbers from 1 to 65535", p.claim(), p.Container)
	case p.Address != "" && err != nil:
		return fmt.Errorf("%q is not an IP address of the host", p.Address)
	case !slices.Contains([]string{"", "tcp", "udp", "sctp"}, p.Protocol):
		return fmt.Errorf("%q is not a protocol; write tcp, udp or sctp", p.Protocol)
	}
	return nil
}

// bindings are the ports as the engine takes them.
func bindings(ports []Port) (network.PortSet, network.PortMap, error) {
	exposed, bound := network.PortSet{}, network.PortMap{}
	for _, p := range ports {
		if err := validPort(p); err != nil {
			return nil, nil, err
		}
		inside, _ := network.PortFrom(uint16(p.Container), network.IPProtocol(p.Protocol))
		address := netip.MustParseAddr(p.Address)
		exposed[inside] = struct{}{}
		bound[inside] = append(bound[inside], network.PortBinding{HostIP: address, HostPort: strconv.FormatInt(p.Host, 10)})
	}
	return exposed, bound, nil
}
