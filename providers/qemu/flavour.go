package qemu

import (
	"context"
	"embed"
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
		Modules      []string `json:"modules"`
	} `json:"roles"`
}

// keyNetwork is the key of a deployment's network. A machine's key is its
// node's name.
const keyNetwork = "lan"

// node is one node of a deployment.
type node = sdk.LaidOut

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
	nodes, err := sdk.Nodes(r.Roles, "QEMU")
	if err != nil {
		return err
	}
	if _, err := findProgram(h.program); err != nil {
		return err
	}
	c := &r.Flavour
	if err := sdk.CheckKeys(nodes, sdk.KeyedBy("role_memory", c.RoleMemory), sdk.KeyedBy("role_vcpus", c.RoleVCPUs), sdk.KeyedBy("ports", c.Ports)); err != nil {
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
		want.Forwards, want.IP = ports[n.Name], addresses[n.Name].String()
		memory[n.Name] = want.Memory
		sdk.Add(out, "qemu_machine", n.Name, want).Ref("network", "qemu_network", keyNetwork, "id")
		out.Node(plugins.ExpandedNode{
			Name: n.Name, Role: n.Role.Name, Index: n.Index, System: n.Role.System,
			Resource: plugins.ResourceKey{Type: "qemu_machine", Key: n.Name}, Address: "address",
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
		Name: n.Name, System: n.Role.System,
		Kernel: artifacts["kernel-"+n.Role.Name], Initrd: artifacts["initrd"],
		KernelParams: x.Roles[n.Role.Name].KernelParams, Modules: x.Roles[n.Role.Name].Modules,
		Memory: c.Memory, VCPUs: c.VCPUs,
		Accelerator: c.Accelerator, MachineType: c.MachineType, Arguments: c.Arguments,
	}
	if n.Role.Switch {
		want.Update = sdk.UpdateSwitch
	}
	if v, ok := sdk.Of(c.RoleMemory, n); ok {
		want.Memory = v
	}
	if v, ok := sdk.Of(c.RoleVCPUs, n); ok {
		want.VCPUs = v
	}
	switch x.Store {
	case "image":
		want.Store = artifacts["store"]
	case "9p":
		want.Shares = []Share{{Tag: "nxc-store", Source: h.store().Place("/nix/store"), ReadOnly: true}}
	}
	// The role's name means its first node, unless a node is called so.
	if n.Index == 0 && !slices.ContainsFunc(nodes, func(o node) bool { return o.Name == n.Role.Name }) {
		want.Aliases = []string{n.Role.Name}
	}
	return want
}

// publish gives each node its ports of this machine.
func publish(nodes []node, ports map[string][]string) (map[string][]Forward, error) {
	given := map[string][]Forward{}
	for _, n := range nodes {
		specs, own := ports[n.Name], true
		if specs == nil {
			specs, own = ports[n.Role.Name], len(n.Role.Nodes) == 1
		}
		for _, spec := range specs {
			f, last, err := parseForward(spec)
			if err != nil {
				return nil, sdk.AttributeError("ports", fmt.Sprintf("%q is not a port", spec), err.Error()+".")
			}
			switch place := f.Host + int64(n.Index); {
			case last == f.Host && !own:
				return nil, sdk.AttributeError("ports", fmt.Sprintf("%d nodes cannot share port %d", len(n.Role.Nodes), f.Host),
					fmt.Sprintf("Give a range, such as \"%d-%d:%d\", or name one node.", f.Host, f.Host+int64(len(n.Role.Nodes))-1, f.Port))
			case last != f.Host && place > last:
				return nil, sdk.AttributeError("ports", fmt.Sprintf("%q has too few ports for %d nodes", spec, len(n.Role.Nodes)), "Widen the range.")
			case last != f.Host:
				f.Host = place
			}
			given[n.Name] = append(given[n.Name], f)
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
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	given, err := sdk.Addresses(subnet, subnet.Addr().Next(), names, had)
	if err != nil {
		return subnet, nil, sdk.AttributeError("subnet", "The network is too small",
			fmt.Sprintf("%s. Set a larger subnet; every node is then created anew.", err))
	}
	return subnet, given, nil
}
