package qemu

import (
	"context"
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

//go:embed nix/*.nix
var nixFiles embed.FS

// vmSources are the files of the flavour "vm": those of "vm-ramdisk" with an
// entry of their own.
func vmSources() map[string]string {
	sources := sdk.Sources(nixFiles, "nix")
	sources["default.nix"] = sources["vm.nix"]
	return sources
}

// FlavourConfig is the body of a flavour block, of either flavour.
type FlavourConfig struct {
	Memory      string              `nxc:"memory,optional,default=512M" doc:"Memory of each machine, such as 512M or 2G."`
	VCPUs       int64               `nxc:"vcpus,optional,default=1" doc:"Processors of each machine."`
	RoleMemory  map[string]string   `nxc:"role_memory,optional" doc:"Role or node to its memory, where it differs."`
	RoleVCPUs   map[string]int64    `nxc:"role_vcpus,optional" doc:"Role or node to its processors, where they differ."`
	Ports       map[string][]string `nxc:"ports,optional" doc:"Role or node to the ports of this machine that lead to it: \"8080:80\" on loopback, \"0.0.0.0:8080:80\" for everybody, \"8080-8089:80\" for one port a node."`
	Subnet      string              `nxc:"subnet,optional" doc:"The network's addresses in CIDR notation; by default 10.97.0.0/24. Networks do not meet."`
	NAT         *bool               `nxc:"nat,optional" doc:"Whether machines reach what this machine reaches; true by default."`
	Accelerator string              `nxc:"accelerator,optional" doc:"kvm or tcg; by default what works here."`
	MachineType string              `nxc:"machine_type,optional" doc:"QEMU's machine type, by default q35."`
	Arguments   []string            `nxc:"arguments,optional" doc:"Further arguments of QEMU."`
}

// extra is what the flavour's Nix half tells of the composition.
type extra struct {
	Store string `json:"store"`
	Roles map[string]struct {
		KernelParams []string `json:"kernelParams"`
	} `json:"roles"`
}

// keyNetwork is the key of a deployment's network. A machine's key is its
// node's name.
const keyNetwork = "lan"

// node is one node of the deployment being laid out.
type node struct {
	name  string
	role  *plugins.Role
	index int // within its role
}

func (h *host) expandRamdisk(_ context.Context, r sdk.ExpandRequest[FlavourConfig], out *sdk.Expansion) error {
	return h.expand(r, out)
}

func (h *host) expandVM(_ context.Context, r sdk.ExpandRequest[FlavourConfig], out *sdk.Expansion) error {
	return h.expand(r, out)
}

// expand lays a composition out: one network, and a machine a node.
func (h *host) expand(r sdk.ExpandRequest[FlavourConfig], out *sdk.Expansion) error {
	var x extra
	if len(r.Extra) > 0 {
		if err := json.Unmarshal(r.Extra, &x); err != nil {
			return fmt.Errorf("read what the flavour's Nix half returned: %w", err)
		}
	}
	nodes, err := nodesOf(r.Roles)
	if err != nil {
		return err
	}
	if _, err := findProgram(h.program); err != nil {
		return err
	}
	c := &r.Flavour
	if err := checkKeys(c, nodes); err != nil {
		return err
	}
	ports, err := publish(nodes, c.Ports)
	if err != nil {
		return err
	}
	subnet, addresses, err := chooseAddresses(r, nodes)
	if err != nil {
		return err
	}
	prior, err := sdk.Prior[Machine](r.ExpandRequest, "qemu_machine")
	if err != nil {
		return err
	}
	memory := map[string]string{}
	sdk.Add(out, "qemu_network", keyNetwork, Network{Name: keyNetwork, Subnet: subnet.String(), NAT: c.NAT})
	for _, n := range nodes {
		want := h.machineOf(n, c, nodes, x, r.Artifacts)
		want.Forwards, want.IP = ports[n.name], addresses[n.name].String()
		memory[n.name] = want.Memory
		sdk.Add(out, "qemu_machine", n.name, want).Ref("network", "qemu_network", keyNetwork, "id")
		out.Node(plugins.ExpandedNode{
			Name: n.name, Role: n.role.Name, Index: n.index, System: n.role.System,
			Resource: plugins.ResourceKey{Type: "qemu_machine", Key: n.name}, Address: "address",
		})
	}
	if r.Unknown("memory") || r.Unknown("role_memory") {
		return nil
	}
	return h.checkMemory(memory, prior)
}

// machineOf is the machine of a node, but for what it shares with others.
func (h *host) machineOf(n node, c *FlavourConfig, nodes []node, x extra, artifacts map[string]string) Machine {
	want := Machine{
		Name: n.name, System: n.role.System,
		Kernel: artifacts["kernel-"+n.role.Name], Initrd: artifacts["initrd"],
		KernelParams: x.Roles[n.role.Name].KernelParams,
		Memory:       c.Memory, VCPUs: c.VCPUs,
		Accelerator: c.Accelerator, MachineType: c.MachineType, Arguments: c.Arguments,
	}
	if v, ok := of(c.RoleMemory, n); ok {
		want.Memory = v
	}
	if v, ok := of(c.RoleVCPUs, n); ok {
		want.VCPUs = v
	}
	switch x.Store {
	case "image":
		want.Store = artifacts["store"]
	case "9p":
		want.Shares = []Share{{Tag: "nxc-store", Source: "/nix/store", ReadOnly: true}}
	}
	// The role's name means its first node, unless a node is called so.
	if n.index == 0 && !slices.ContainsFunc(nodes, func(o node) bool { return o.name == n.role.Name }) {
		want.Aliases = []string{n.role.Name}
	}
	return want
}

// nodesOf lists the nodes of all roles, in order.
func nodesOf(roles []plugins.Role) ([]node, error) {
	var nodes []node
	for i := range roles {
		role := &roles[i]
		if role.Rest {
			return nil, sdk.Error(fmt.Sprintf("Role %s cannot take the rest of the nodes", role.Name),
				fmt.Sprintf("QEMU makes as many machines as it is asked for. Give their number: roles = { %s = %d }.", role.Name, max(role.Min, 1)))
		}
		for index, name := range role.Nodes {
			nodes = append(nodes, node{name: name, role: role, index: index})
		}
	}
	return nodes, nil
}

// checkKeys makes sure that every key names a role or a node.
func checkKeys(c *FlavourConfig, nodes []node) error {
	var known []string
	for _, n := range nodes {
		known = append(known, n.role.Name, n.name)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, m := range []struct {
		attribute string
		keys      []string
	}{{"role_memory", keysOf(c.RoleMemory)}, {"role_vcpus", keysOf(c.RoleVCPUs)}, {"ports", keysOf(c.Ports)}} {
		for _, key := range m.keys {
			if !slices.Contains(known, key) {
				return sdk.AttributeError(m.attribute, fmt.Sprintf("There is no role or node %q", key),
					fmt.Sprintf("The composition has: %s.", strings.Join(known, ", ")))
			}
		}
	}
	return nil
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// of returns what a map says of a node: of itself, or else of its role.
func of[V any](m map[string]V, n node) (V, bool) {
	if v, ok := m[n.name]; ok {
		return v, true
	}
	v, ok := m[n.role.Name]
	return v, ok
}

// publish gives each node its ports of this machine.
func publish(nodes []node, ports map[string][]string) (map[string][]Forward, error) {
	given := map[string][]Forward{}
	for _, n := range nodes {
		specs, own := ports[n.name], true
		if specs == nil {
			specs, own = ports[n.role.Name], len(n.role.Nodes) == 1
		}
		for _, spec := range specs {
			f, last, err := parseForward(spec)
			if err != nil {
				return nil, sdk.AttributeError("ports", fmt.Sprintf("%q is not a port", spec), err.Error()+".")
			}
			switch place := f.Host + int64(n.index); {
			case last == f.Host && !own:
				return nil, sdk.AttributeError("ports", fmt.Sprintf("%d nodes cannot share port %d", len(n.role.Nodes), f.Host),
					fmt.Sprintf("Give a range, such as \"%d-%d:%d\", or name one node.", f.Host, f.Host+int64(len(n.role.Nodes))-1, f.Port))
			case last != f.Host && place > last:
				return nil, sdk.AttributeError("ports", fmt.Sprintf("%q has too few ports for %d nodes", spec, len(n.role.Nodes)), "Widen the range.")
			case last != f.Host:
				f.Host = place
			}
			given[n.name] = append(given[n.name], f)
		}
	}
	return given, nil
}

// parseForward reads [ADDRESS:]PORT[-PORT]:PORT, and returns the last port.
func parseForward(spec string) (Forward, int64, error) {
	f := Forward{Listen: "127.0.0.1"}
	parts := strings.Split(strings.TrimSuffix(spec, "/tcp"), ":")
	if len(parts) == 3 {
		if _, err := netip.ParseAddr(parts[0]); err != nil {
			return f, 0, fmt.Errorf("%q is not an address of this machine", parts[0])
		}
		f.Listen, parts = parts[0], parts[1:]
	}
	if len(parts) != 2 {
		return f, 0, fmt.Errorf("write it as 8080:80, with the port of this machine first")
	}
	first, last, isRange := strings.Cut(parts[0], "-")
	if !isRange {
		last = first
	}
	var numbers [3]int64
	for i, text := range []string{first, last, parts[1]} {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return f, 0, fmt.Errorf("%q is not a TCP port from 1 to 65535", text)
		}
		numbers[i] = int64(n)
	}
	f.Host, f.Port = numbers[0], numbers[2]
	return f, max(numbers[1], numbers[0]), nil
}

// chooseAddresses chooses the subnet and every node's address. What the
// deployment has already it keeps.
func chooseAddresses(r sdk.ExpandRequest[FlavourConfig], nodes []node) (netip.Prefix, map[string]netip.Addr, error) {
	networks, err := sdk.Prior[Network](r.ExpandRequest, "qemu_network")
	if err != nil {
		return netip.Prefix{}, nil, err
	}
	text := r.Flavour.Subnet
	if text == "" {
		text = networks[keyNetwork].Subnet
	}
	if text == "" {
		text = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 97}), min(24, 32-bits.Len(uint(2*len(nodes)+3)))).String()
	}
	subnet, err := parseSubnet(text)
	if err != nil {
		return subnet, nil, err
	}
	machines, err := sdk.Prior[Machine](r.ExpandRequest, "qemu_machine")
	if err != nil {
		return subnet, nil, err
	}
	had := map[string]netip.Addr{}
	for key, m := range machines {
		if a, err := netip.ParseAddr(m.IP); err == nil {
			had[key] = a
		}
	}
	given, ok := assign(subnet, nodes, had)
	if !ok {
		return subnet, nil, sdk.AttributeError("subnet", "The network is too small",
			fmt.Sprintf("%s has too few addresses for %d nodes. Set a larger subnet; every node is then created anew.", subnet, len(nodes)))
	}
	return subnet, given, nil
}

// assign gives every node an address: the one that it has, else the first that
// is free, those that nobody had first. The first address is the gateway's.
func assign(subnet netip.Prefix, nodes []node, had map[string]netip.Addr) (map[string]netip.Addr, bool) {
	size := uint32(1) << (32 - subnet.Bits())
	base := subnet.Addr().As4()
	at := func(n uint32) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(base[:])+n)
		return netip.AddrFrom4(b)
	}
	given, used, leaving := map[string]netip.Addr{}, map[netip.Addr]bool{at(0): true, at(1): true, at(size - 1): true}, map[netip.Addr]bool{}
	for _, n := range nodes {
		if a, ok := had[n.name]; ok && subnet.Contains(a) && !used[a] {
			given[n.name], used[a] = a, true
		}
	}
	for _, a := range had {
		leaving[a] = true
	}
	for _, n := range nodes {
		if _, ok := given[n.name]; ok {
			continue
		}
		for _, avoid := range []map[netip.Addr]bool{leaving, nil} {
			for i := uint32(2); i < size-1; i++ {
				if a := at(i); !used[a] && !avoid[a] {
					given[n.name], used[a] = a, true
					break
				}
			}
			if _, ok := given[n.name]; ok {
				break
			}
		}
		if _, ok := given[n.name]; !ok {
			return nil, false
		}
	}
	return given, true
}
