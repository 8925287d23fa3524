package docker

import (
	"fmt"
	"strconv"
)

// joined writes a node's place in its networks.
func (c *composition) joined(w *yamlWriter, n *composed) {
	w.line(2, "networks:")
	place := func(name, ip, ip6 string, aliases []string) {
		w.line(3, quoted(name)+":")
		if ip == "" && len(aliases) == 0 {
			w.line(4, "aliases: []")
			return
		}
		if ip != "" {
			w.pair(4, "ipv4_address", ip)
		}
		if ip6 != "" {
			w.pair(4, "ipv6_address", ip6)
		}
		w.list(4, "aliases", aliases)
	}
	place(keyNetwork, n.IP, n.IP6, n.Aliases)
	for i, one := range n.Connections {
		place(n.networks[i], one.IP, one.IP6, one.Aliases)
	}
}

// networks writes the network that all nodes have, and the further ones.
func (c *composition) networks(w *yamlWriter) {
	w.line(0, "networks:")
	c.network(w, c.lan)
	for _, own := range c.further {
		c.network(w, own)
	}
	for _, f := range c.existing {
		w.line(1, quoted(f.Name)+":")
		w.line(2, "external: true")
		w.pair(2, "name", f.Existing)
	}
}

func (c *composition) network(w *yamlWriter, n Network) {
	w.line(1, quoted(n.Name)+":")
	if n.Driver != "" && n.Driver != "bridge" {
		w.pair(2, "driver", n.Driver)
	}
	if len(n.Options) > 0 {
		w.line(2, "driver_opts:")
		for _, name := range keysOf(n.Options) {
			w.pair(3, name, n.Options[name])
		}
	}
	if n.Internal {
		w.line(2, "internal: true")
	}
	if n.IPv6 {
		w.line(2, "enable_ipv6: true")
	}
	w.line(2, "ipam:")
	w.line(3, "config:")
	w.pair(4, "- subnet", n.Subnet)
	w.pair(4, "  gateway", n.Gateway)
	if n.IPv6 {
		w.pair(4, "- subnet", n.Subnet6)
		if n.Gateway6 != "" {
			w.pair(4, "  gateway", n.Gateway6)
		}
	}
}

// hardware writes what the node gets of its host's devices and kernel.
func (n *composed) hardware(w *yamlWriter) error {
	w.list(2, "devices", n.Devices)
	if len(n.Sysctls) > 0 {
		w.line(2, "sysctls:")
		for _, name := range keysOf(n.Sysctls) {
			w.pair(3, name, n.Sysctls[name])
		}
	}
	if len(n.Ulimits) > 0 {
		w.line(2, "ulimits:")
		for _, name := range keysOf(n.Ulimits) {
			if err := n.ulimit(w, name); err != nil {
				return err
			}
		}
	}
	request, err := parseGPUs(n.GPUs)
	if request == nil || err != nil {
		return err
	}
	w.line(2, "deploy:")
	w.line(3, "resources:")
	w.line(4, "reservations:")
	w.line(5, "devices:")
	w.line(6, "- capabilities: [gpu]")
	switch {
	case len(request.DeviceIDs) > 0:
		w.list(7, "device_ids", request.DeviceIDs)
	case request.Count < 0:
		w.line(7, "count: all")
	default:
		w.line(7, "count: "+strconv.Itoa(request.Count))
	}
	return nil
}

func (n *composed) ulimit(w *yamlWriter, name string) error {
	u, err := ulimitOf(name, n.Ulimits[name])
	if err != nil {
		return err
	}
	w.line(3, name+":")
	w.line(4, fmt.Sprintf("soft: %d", u.Soft))
	w.line(4, fmt.Sprintf("hard: %d", u.Hard))
	return nil
}
