package docker

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/moby/moby/api/types/network"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// addressing is the engine's form of a network's subnets, one a family. What is
// left out the engine chooses, but for the subnet of IPv6: engines before 27
// have none to give.
func addressing(want *Network) (*network.IPAM, error) {
	ipam := &network.IPAM{Driver: "default"}
	if want.Subnet == "" && (want.Gateway != "" || want.IPRange != "") {
		return nil, sdk.AttributeError("subnet", "A gateway or a range needs a subnet", "Set subnet as well, or leave gateway and ip_range out.")
	}
	if want.Subnet != "" {
		subnet, err := parseSubnet(want.Subnet)
		if err != nil {
			return nil, err
		}
		pool, err := poolOf(subnet, want.Gateway, "gateway")
		if err != nil {
			return nil, err
		}
		if want.IPRange != "" {
			part, err := netip.ParsePrefix(want.IPRange)
			if err != nil || part.Bits() < subnet.Bits() || !subnet.Contains(part.Addr()) {
				return nil, sdk.AttributeError("ip_range", "The range is no part of the subnet",
					fmt.Sprintf("%q is not a part of %s in CIDR notation, such as %s.", want.IPRange, subnet, netip.PrefixFrom(subnet.Addr(), subnet.Bits()+1)))
			}
			pool.IPRange = part.Masked()
		}
		ipam.Config = append(ipam.Config, pool)
	}
	if !want.IPv6 {
		if want.Subnet6 != "" || want.Gateway6 != "" {
			return nil, sdk.AttributeError("ipv6", "The network has no IPv6", "Set ipv6 = true, or leave subnet6 and gateway6 out.")
		}
	} else {
		subnet, err := parseSubnet6(want.Subnet6)
		if err != nil {
			return nil, err
		}
		pool, err := poolOf(subnet, want.Gateway6, "gateway6")
		if err != nil {
			return nil, err
		}
		ipam.Config = append(ipam.Config, pool)
	}
	if len(ipam.Config) == 0 {
		return nil, nil
	}
	return ipam, nil
}

// poolOf is a subnet with its gateway, by default the first address.
func poolOf(subnet netip.Prefix, gateway, attribute string) (network.IPAMConfig, error) {
	pool := network.IPAMConfig{Subnet: subnet, Gateway: subnet.Addr().Next()}
	if gateway == "" {
		return pool, nil
	}
	var err error
	if pool.Gateway, err = netip.ParseAddr(gateway); err != nil || !subnet.Contains(pool.Gateway) {
		return pool, sdk.AttributeError(attribute, "The gateway is no address of the subnet",
			fmt.Sprintf("%q is not an address of %s, such as %s.", gateway, subnet, subnet.Addr().Next()))
	}
	return pool, nil
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

// parseSubnet6 reads the subnet6 attribute of a network or flavour.
func parseSubnet6(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is6() || p.Addr().Is4In6() || p != p.Masked() || p.Bits() > 112 {
		return netip.Prefix{}, sdk.AttributeError("subnet6", "This is not a subnet of IPv6",
			fmt.Sprintf("%q is not an IPv6 subnet in CIDR notation, such as fd12:3456:789a::/64, of at least 65536 addresses.", text))
	}
	return p, nil
}

// uniqueLocal is a subnet of IPv6 that is nobody else's: of the addresses that
// are free for local use (RFC 4193), whose forty random bits are drawn from a
// name of the site, and the sixteen of the subnet from the network's.
func uniqueLocal(site, name string) netip.Prefix {
	global, subnet := sha256.Sum256([]byte(site)), sha256.Sum256([]byte(name))
	var a [16]byte
	a[0] = 0xfd
	copy(a[1:6], global[:])
	copy(a[6:8], subnet[:])
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// twin is the address of six that has the place which a has in four, so that a
// node is recognised by the end of both; false when six has no such place.
func twin(a netip.Addr, four, six netip.Prefix) (netip.Addr, bool) {
	n, first, b := a.As4(), four.Addr().As4(), six.Addr().As16()
	place := binary.BigEndian.Uint32(n[:]) - binary.BigEndian.Uint32(first[:])
	binary.BigEndian.PutUint32(b[12:], binary.BigEndian.Uint32(b[12:])|place)
	t := netip.AddrFrom16(b)
	return t, six.Contains(t)
}
