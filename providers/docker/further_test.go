package docker

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

// networkBlocks completes network blocks as the core would.
func networkBlocks(blocks ...map[string]cty.Value) cty.Value {
	list := make([]cty.Value, len(blocks))
	for i, set := range blocks {
		all := map[string]cty.Value{
			"name": cty.NullVal(cty.String), "members": cty.NullVal(cty.List(cty.String)), "existing": cty.NullVal(cty.String),
			"driver": cty.NullVal(cty.String), "options": cty.NullVal(cty.Map(cty.String)), "subnet": cty.NullVal(cty.String),
			"gateway": cty.NullVal(cty.String), "ipv6": cty.NullVal(cty.Bool), "internal": cty.NullVal(cty.Bool),
		}
		for name, v := range set {
			all[name] = v
		}
		list[i] = cty.ObjectVal(all)
	}
	return cty.TupleVal(list)
}

// connectionsOf writes the networks of a container in a line.
func connectionsOf(c cty.Value) string {
	text := func(v cty.Value) string {
		if !v.IsKnown() || v.IsNull() {
			return "?"
		}
		return v.AsString()
	}
	words := []string{text(c.GetAttr("ip")), text(c.GetAttr("ip6"))}
	for _, one := range c.GetAttr("connection").AsValueSlice() {
		words = append(words, text(one.GetAttr("network")), text(one.GetAttr("ip")), text(one.GetAttr("ip6")))
	}
	return strings.Join(words, " ")
}

func TestExpandFurtherNetworks(t *testing.T) {
	x, d := request{
		roles: []plugins.Role{role("client", 2), role("server", 1)},
		taken: prefixes("10.89.1.0/24"),
		config: map[string]cty.Value{
			"ipv6": cty.True, "subnet6": str("fd00:1::/64"),
			"network": networkBlocks(
				map[string]cty.Value{"name": str("storage"), "members": strs("client2", "server"), "internal": cty.True},
				map[string]cty.Value{"name": str("lab"), "members": strs("server"), "existing": str("office")},
				map[string]cty.Value{"name": str("wire"), "members": strs("client"), "driver": str("macvlan"), "subnet": str("10.7.0.0/24"), "gateway": str("10.7.0.2"), "ipv6": cty.True,
					"options": cty.ObjectVal(map[string]cty.Value{"parent": str("eth1")})}),
		},
	}.expand(t)
	if d.HasErrors() {
		t.Fatal(d)
	}
	wire := uniqueLocal("\x00web::docker", "wire").Addr().String()
	want := []string{
		"docker_network.lan 10.89.0.0/24", "docker_network.storage 10.89.2.0/24", "docker_network.wire 10.7.0.0/24", "docker_image.base",
		"docker_container.client1 10.89.0.2", "docker_container.client2 10.89.0.3", "docker_container.server 10.89.0.4",
	}
	if diff := cmp.Diff(want, summary(x)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, want := range []string{
		"10.89.0.2 fd00:1::2 ? 10.7.0.3 " + wire + "3",
		"10.89.0.3 fd00:1::3 ? 10.89.2.2 ? ? 10.7.0.4 " + wire + "4",
		"10.89.0.4 fd00:1::4 ? 10.89.2.3 ? office ? ?",
	} {
		if got := connectionsOf(x.Resources[4+i].Values); got != want {
			t.Errorf("%s: %s, want %s", x.Resources[4+i].Key, got, want)
		}
	}
}

func TestExpandFurtherNetworkMistakes(t *testing.T) {
	for want, set := range map[string]map[string]cty.Value{
		`"lan" cannot name a further network`:     {"name": str("lan")},
		`"a b" cannot name a further network`:     {"name": str("a b")},
		`There is no role or node "sever"`:        {"name": str("x"), "members": strs("sever")},
		`"10.0.0.1/24" is not an IPv4 subnet`:     {"name": str("x"), "subnet": str("10.0.0.1/24")},
		`The network is too small: 10.0.0.0/29 h`: {"name": str("x"), "subnet": str("10.0.0.0/29")},
	} {
		_, d := request{roles: []plugins.Role{role("n", 6)}, config: map[string]cty.Value{"network": networkBlocks(set)}}.expand(t)
		if !d.HasErrors() || !strings.Contains(d.Error(), want) {
			t.Errorf("got %v, want %s", d, want)
		}
	}
}

func TestTwin(t *testing.T) {
	four := netip.MustParsePrefix("10.89.0.0/16")
	for six, want := range map[string]string{"fd00::/64": "fd00::102", "fd00::1:0/112": "fd00::1:102"} {
		if got, ok := twin(netip.MustParseAddr("10.89.1.2"), four, netip.MustParsePrefix(six)); !ok || got.String() != want {
			t.Errorf("%s: %s, %v, want %s", six, got, ok, want)
		}
	}
	if p := uniqueLocal("a", "lan"); p.Bits() != 64 || !p.Addr().IsPrivate() || p == uniqueLocal("b", "lan") || p == uniqueLocal("a", "x") {
		t.Errorf("drawn: %s", p)
	}
}

// Compose brings the same networks and hardware.
func TestComposeFurther(t *testing.T) {
	text := composeOf(t, hybrid(), map[string]cty.Value{
		"ipv6": cty.True,
		"network": networkBlocks(
			map[string]cty.Value{"name": str("wire"), "driver": str("macvlan"), "options": cty.ObjectVal(map[string]cty.Value{"parent": str("eth1")})},
			map[string]cty.Value{"name": str("lab"), "members": strs("server"), "existing": str("office")}),
		"devices": cty.ObjectVal(map[string]cty.Value{"server": strs("/dev/fuse")}),
		"gpus":    cty.ObjectVal(map[string]cty.Value{"server": str("2"), "client": str("all")}),
		"tmpfs":   cty.ObjectVal(map[string]cty.Value{"client": cty.ObjectVal(map[string]cty.Value{"/scratch": str("size=1g")})}),
		"sysctls": cty.ObjectVal(map[string]cty.Value{"client": cty.ObjectVal(map[string]cty.Value{"net.ipv4.ip_forward": str("1")})}),
		"ulimits": cty.ObjectVal(map[string]cty.Value{"client": cty.ObjectVal(map[string]cty.Value{"nofile": str("1024:2048")})}),
	}, "")
	p := parsed(t, text)
	server, client := p.Services["server"], p.Services["client1"]
	if p.Networks["wire"].Driver != "macvlan" || p.Networks["wire"].DriverOpts["parent"] != "eth1" || p.Networks["lab"].Name != "office" || !bool(p.Networks["lab"].External) {
		t.Errorf("networks: %+v", p.Networks)
	}
	if lan := p.Networks["lan"]; lan.EnableIPv6 == nil || !*lan.EnableIPv6 || len(lan.Ipam.Config) != 2 {
		t.Errorf("lan: %+v", lan)
	}
	if len(server.Networks) != 3 || len(client.Networks) != 2 || server.Networks["lan"].Ipv6Address == "" || server.Networks["wire"].Ipv4Address == "" {
		t.Errorf("joined: %+v, %+v", server.Networks, client.Networks)
	}
	if len(server.Devices) != 1 || server.Deploy == nil || server.Deploy.Resources.Reservations.Devices[0].Count != 2 || client.Deploy.Resources.Reservations.Devices[0].Count != -1 {
		t.Errorf("hardware: %+v, %+v", server.Devices, server.Deploy)
	}
	if client.Sysctls["net.ipv4.ip_forward"] != "1" || client.Ulimits["nofile"].Hard != 2048 || !strings.Contains(text, "- /scratch:size=1g") {
		t.Errorf("kernel: %v, %v", client.Sysctls, client.Ulimits)
	}
}
