package sdk

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
)

// What flavours have in common that make their nodes themselves: which nodes
// there are, what a flavour block says of each, and the addresses that they
// get.

// LaidOut is one node of a composition, as its flavour lays it out.
type LaidOut struct {
	Name  string
	Role  *plugins.Role
	Index int // within its role, from 0
}

// Nodes lists the nodes of all roles, in order. A role that takes the rest of a
// site's nodes is refused, because maker ("A Docker engine") makes as many as
// it is asked for.
func Nodes(roles []plugins.Role, maker string) ([]LaidOut, error) {
	var nodes []LaidOut
	for i := range roles {
		role := &roles[i]
		if role.Rest {
			return nil, Error(fmt.Sprintf("Role %s cannot take the rest of the nodes", role.Name),
				fmt.Sprintf("%s makes as many nodes as it is asked for. Give their number: roles = { %s = %d }.", maker, role.Name, max(role.Min, 1)))
		}
		for index, name := range role.Nodes {
			nodes = append(nodes, LaidOut{Name: name, Role: role, Index: index})
		}
	}
	return nodes, nil
}

// Keyed is an attribute of a flavour block whose keys are roles or nodes.
type Keyed struct {
	Attribute string
	Keys      []string
}

// KeyedBy is an attribute that is a map.
func KeyedBy[V any](attribute string, m map[string]V) Keyed {
	return Keyed{attribute, slices.Sorted(maps.Keys(m))}
}

// CheckKeys makes sure that every key names a role or a node.
func CheckKeys(nodes []LaidOut, attributes ...Keyed) error {
	var known []string
	for _, n := range nodes {
		known = append(known, n.Role.Name, n.Name)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, a := range attributes {
		for _, key := range a.Keys {
			if !slices.Contains(known, key) {
				return AttributeError(a.Attribute, fmt.Sprintf("There is no role or node %q", key),
					fmt.Sprintf("The composition has: %s.", strings.Join(known, ", ")))
			}
		}
	}
	return nil
}

// Of returns what a map says of a node: of itself, or else of its role.
func Of[V any](m map[string]V, n LaidOut) (V, bool) {
	if v, ok := m[n.Name]; ok {
		return v, true
	}
	v, ok := m[n.Role.Name]
	return v, ok
}

// Addresses gives every name an IPv4 address of a subnet: the one that it had,
// if it is of this subnet and not another's; else the first that is free,
// preferring those that no name had. The first address is for the gateway, even
// where that has another one, and the last is the broadcast's. It fails when
// the subnet is full.
func Addresses(subnet netip.Prefix, gateway netip.Addr, names []string, had map[string]netip.Addr) (map[string]netip.Addr, error) {
	first := subnet.Masked().Addr().As4()
	size := uint64(1) << (32 - subnet.Bits())
	at := func(n uint64) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(first[:])+uint32(n))
		return netip.AddrFrom4(b)
	}
	used := map[netip.Addr]bool{at(0): true, at(1): true, at(size - 1): true, gateway: true}
	given := make(map[string]netip.Addr, len(names))
	for _, name := range names {
		if a, ok := had[name]; ok && subnet.Contains(a) && !used[a] {
			given[name], used[a] = a, true
		}
	}
	leaving := map[netip.Addr]bool{}
	for _, a := range had {
		leaving[a] = true
	}
	// What is not free when one name asks is not free for those after it.
	next := func(n *uint64, avoid map[netip.Addr]bool) (netip.Addr, bool) {
		for ; *n < size; *n++ {
			if a := at(*n); !used[a] && !avoid[a] {
				return a, true
			}
		}
		return netip.Addr{}, false
	}
	var fresh, left uint64
	for _, name := range names {
		if _, ok := given[name]; ok {
			continue
		}
		a, ok := next(&fresh, leaving)
		if !ok {
			a, ok = next(&left, nil)
		}
		if !ok {
			return nil, fmt.Errorf("%s has no address left for %s", subnet, name)
		}
		given[name], used[a] = a, true
	}
	return given, nil
}
