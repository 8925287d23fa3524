package docker

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

// role is a role with n nodes, whose system is named for it.
func role(name string, n int) plugins.Role {
	return plugins.Role{Name: name, System: "/nix/store/0-" + name, Nodes: plugins.NodeNames(name, n)}
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// request is an ExpandRequest of a test: what differs from the usual.
type request struct {
	roles  []plugins.Role
	config map[string]cty.Value
	extra  string
	prior  map[string]string // node to address; "lan" to subnet
	taken  []netip.Prefix
}

func (r request) expand(t *testing.T) (*plugins.Expansion, plugins.Diagnostics) {
	t.Helper()
	p, s := callable(t, &engine{taken: r.taken, project: "/project"})
	full := plugins.ExpandRequest{
		Composition: "web", Label: "docker", Flavour: "docker", Roles: r.roles,
		Config: value(t, s.Flavours["docker"].Block, r.config), Extra: []byte(r.extra),
	}
	for _, key := range keysOf(r.prior) {
		one := plugins.PriorObject{ResourceKey: plugins.ResourceKey{Type: "docker_container", Key: key}}
		set := map[string]cty.Value{"name": str(key), "image": str("i"), "ip": str(r.prior[key])}
		if key == keyNetwork {
			one.Type, set = "docker_network", map[string]cty.Value{"name": str(key), "subnet": str(r.prior[key])}
		}
		one.Object = value(t, s.Resources[one.Type].Block, set)
		full.Prior = append(full.Prior, one)
	}
	return p.Expand(t.Context(), full)
}

// summary writes an expansion in a few lines.
func summary(x *plugins.Expansion) []string {
	var lines []string
	for _, r := range x.Resources {
		line := r.Type + "." + r.Key
		switch r.Type {
		case "docker_network":
			line += " " + r.Values.GetAttr("subnet").AsString()
		case "docker_container":
			line += " " + r.Values.GetAttr("ip").AsString()
			for _, p := range r.Values.GetAttr("port").AsValueSlice() {
				line += fmt.Sprintf(" %s:%.0f->%.0f/%s", p.GetAttr("address").AsString(), p.GetAttr("host").AsBigFloat(), p.GetAttr("container").AsBigFloat(), p.GetAttr("protocol").AsString())
			}
			for _, m := range r.Values.GetAttr("mount").AsValueSlice()[1:] {
				line += " " + m.GetAttr("source").AsString() + "=" + m.GetAttr("target").AsString()
			}
			for _, v := range r.Values.GetAttr("volume").AsValueSlice() {
				line += " volume=" + v.GetAttr("target").AsString()
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestExpand(t *testing.T) {
	two := []plugins.Role{role("client", 2), role("server", 1)}
	for name, test := range map[string]struct {
		request
		want []string
	}{
		"new": {request{roles: two}, []string{
			"docker_network.lan 10.89.0.0/24", "docker_image.base",
			"docker_container.client1 10.89.0.2", "docker_container.client2 10.89.0.3", "docker_container.server 10.89.0.4",
		}},
		"subnets in use are left alone": {request{roles: two[1:], taken: prefixes("10.89.0.0/23", "10.89.2.128/25")}, []string{
			"docker_network.lan 10.89.3.0/24", "docker_image.base", "docker_container.server 10.89.3.2",
		}},
		"a route over the whole pool": {request{roles: two[1:], taken: prefixes("10.0.0.0/8")}, []string{
			"docker_network.lan 172.28.0.0/24", "docker_image.base", "docker_container.server 172.28.0.2",
		}},
		"what stays keeps its address, what leaves keeps its own for now": {
			request{roles: []plugins.Role{role("client", 3)}, prior: map[string]string{
				"lan": "10.89.7.0/24", "client2": "10.89.7.2", "server": "10.89.7.3"}, taken: prefixes("10.89.7.0/24")}, []string{
				"docker_network.lan 10.89.7.0/24", "docker_image.base",
				"docker_container.client1 10.89.7.4", "docker_container.client2 10.89.7.2", "docker_container.client3 10.89.7.5",
			}},
		"another subnet gives other addresses": {
			request{roles: two[1:], config: map[string]cty.Value{"subnet": str("10.1.2.0/28")}, prior: map[string]string{"lan": "10.89.7.0/24", "server": "10.89.7.9"}},
			[]string{"docker_network.lan 10.1.2.0/28", "docker_image.base", "docker_container.server 10.1.2.2"}},
		"a small subnet reuses what leaves": {
			request{roles: []plugins.Role{role("n", 5)}, prior: map[string]string{"lan": "10.1.2.0/29", "old": "10.1.2.3"}},
			[]string{"docker_network.lan 10.1.2.0/29", "docker_image.base",
				"docker_container.n1 10.1.2.2", "docker_container.n2 10.1.2.4", "docker_container.n3 10.1.2.5", "docker_container.n4 10.1.2.6", "docker_container.n5 10.1.2.3"}},
		"an image of one's own": {request{roles: two[1:], config: map[string]cty.Value{"image": str("debian:12")}}, []string{
			"docker_network.lan 10.89.0.0/24", "docker_container.server 10.89.0.2",
		}},
		"ports": {
			request{roles: two, config: map[string]cty.Value{"ports": cty.ObjectVal(map[string]cty.Value{
				"server": strs("8080:80", "127.0.0.1:5353:53/udp"), "client2": strs("22"), "client": strs("9000-9001:9")})}},
			[]string{"docker_network.lan 10.89.0.0/24", "docker_image.base",
				"docker_container.client1 10.89.0.2 0.0.0.0:9000->9/tcp",
				"docker_container.client2 10.89.0.3 0.0.0.0:0->22/tcp",
				"docker_container.server 10.89.0.4 0.0.0.0:8080->80/tcp 127.0.0.1:5353->53/udp"}},
		"the composition's ports": {
			request{roles: two, extra: `{"ports": {"server": ["8080:80"], "client": ["1"], "nobody": ["7:7"]}}`, config: map[string]cty.Value{"ports": cty.ObjectVal(map[string]cty.Value{
				"server": strs("9090:80")})}},
			[]string{"docker_network.lan 10.89.0.0/24", "docker_image.base",
				"docker_container.client1 10.89.0.2 0.0.0.0:0->1/tcp",
				"docker_container.client2 10.89.0.3 0.0.0.0:0->1/tcp",
				"docker_container.server 10.89.0.4 0.0.0.0:9090->80/tcp"}},
		"volumes": {
			request{roles: two[1:], config: map[string]cty.Value{"volumes": cty.ObjectVal(map[string]cty.Value{
				"server": strs("data:/var/lib/data", "./site:/srv:ro", "/etc/hosts:/hosts")})}},
			[]string{"docker_network.lan 10.89.0.0/24", "docker_image.base", "docker_volume.data",
				"docker_container.server 10.89.0.2 /project/site=/srv /etc/hosts=/hosts volume=/var/lib/data"}},
		"the composition's volumes": {
			request{roles: two, extra: `{"volumes": {"client": ["/tmp/x:/x"], "server": ["/tmp/x:/x"]}, "sharedDirs": {"client": ["/srv"]}}`},
			[]string{"docker_network.lan 10.89.0.0/24", "docker_image.base", "docker_volume.shared",
				"docker_container.client1 10.89.0.2 /tmp/x=/x volume=/var/nxc/shared",
				"docker_container.client2 10.89.0.3 /tmp/x=/x volume=/var/nxc/shared",
				"docker_container.server 10.89.0.4 /tmp/x=/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			x, d := test.expand(t)
			if d.HasErrors() {
				t.Fatal(d)
			}
			if diff := cmp.Diff(test.want, summary(x)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExpandNodes(t *testing.T) {
	x, d := request{roles: []plugins.Role{role("client", 2), role("server", 1)}}.expand(t)
	if d.HasErrors() {
		t.Fatal(d)
	}
	want := []plugins.ExpandedNode{
		{Name: "client1", Role: "client", Index: 0, System: "/nix/store/0-client", Resource: plugins.ResourceKey{Type: "docker_container", Key: "client1"}, Address: "address"},
		{Name: "client2", Role: "client", Index: 1, System: "/nix/store/0-client", Resource: plugins.ResourceKey{Type: "docker_container", Key: "client2"}, Address: "address"},
		{Name: "server", Role: "server", Index: 0, System: "/nix/store/0-server", Resource: plugins.ResourceKey{Type: "docker_container", Key: "server"}, Address: "address"},
	}
	if diff := cmp.Diff(want, x.Nodes); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	client := x.Resources[2]
	if got := client.Values.GetAttr("aliases"); got.LengthInt() != 1 || got.AsValueSlice()[0].AsString() != "client" {
		t.Errorf("aliases of client1: %#v, want the role's name", got)
	}
	if got := x.Resources[4].Values.GetAttr("aliases"); !got.IsNull() {
		t.Errorf("aliases of server: %#v, want none: it is called as its role", got)
	}
	if client.Values.GetAttr("network").IsKnown() || client.Values.GetAttr("image").IsKnown() || len(client.References) != 2 {
		t.Errorf("network and image must come from their resources; references: %v", client.References)
	}
}

func TestExpandMistakes(t *testing.T) {
	clients := []plugins.Role{role("client", 2), role("server", 1)}
	ports := func(of string, specs ...string) map[string]cty.Value {
		return map[string]cty.Value{"ports": cty.ObjectVal(map[string]cty.Value{of: strs(specs...)})}
	}
	for name, test := range map[string]struct {
		request
		path string
		want string
	}{
		"unknown role":          {request{roles: clients, config: ports("sever", "1:1")}, "ports", `There is no role or node "sever": The composition has: client, client1, client2, server.`},
		"one port, many nodes":  {request{roles: clients, config: ports("client", "8080:80")}, "ports", `"8080:80" cannot be published for every node of client: The role has 2 nodes, and a port of the host leads to one. Name the node (client1 = ["8080:80"]), give a port for each ("8080-8081:80"), or let the engine choose ("80").`},
		"a port used twice":     {request{roles: clients, config: ports("server", "8080:80", "127.0.0.1:8080:81")}, "ports", "Port 8080 of the host is published twice: Both server and server publish 127.0.0.1:8080/tcp. Give one of them another port."},
		"no port":               {request{roles: clients, config: ports("server", "http:80")}, "ports", `"http:80" is not a port to publish: "http" is not a port; ports are numbers from 0 to 65535. Write HOST:CONTAINER, such as "8080:80".`},
		"no protocol":           {request{roles: clients, config: ports("server", "80:80/icmp")}, "ports", `"80:80/icmp" is not a port to publish: "icmp" is not a protocol; write tcp, udp or sctp. Write HOST:CONTAINER, such as "8080:80".`},
		"composition's mistake": {request{roles: clients, extra: `{"ports": {"client": ["8080:80"]}}`}, "", `"8080:80" cannot be published for every node of client: In the composition's dockerPorts: The role has 2 nodes, and a port of the host leads to one. Name the node (client1 = ["8080:80"]), give a port for each ("8080-8081:80"), or let the engine choose ("80").`},
		"no subnet":             {request{roles: clients, config: map[string]cty.Value{"subnet": str("10.0.0.1/24")}}, "subnet", `This is not a subnet: "10.0.0.1/24" is not an IPv4 subnet in CIDR notation, such as 10.89.0.0/24, of at least eight addresses.`},
		"network too small":     {request{roles: []plugins.Role{role("n", 6)}, config: map[string]cty.Value{"subnet": str("10.0.0.0/29")}}, "subnet", `The network is too small: 10.0.0.0/29 has no address left for n6. Set a larger subnet, such as 10.0.0.0/27; every node is then created anew.`},
		"nothing free":          {request{roles: clients, taken: prefixes("0.0.0.0/1", "128.0.0.0/1")}, "subnet", "No subnet is free: no subnet /24 is free. Set subnet to addresses that nothing else uses, or the provider's subnets."},
		"rest":                  {request{roles: []plugins.Role{{Name: "n", Rest: true, Min: 2}}}, "", "Role n cannot take the rest of the nodes: A Docker engine makes as many nodes as it is asked for. Give their number: roles = { n = 2 }."},
		"bad volume":            {request{roles: clients, config: map[string]cty.Value{"volumes": cty.ObjectVal(map[string]cty.Value{"server": strs("data:lib")})}}, "volumes", `"data:lib" is not a volume: the target "lib" is not an absolute path inside the node.`},
	} {
		t.Run(name, func(t *testing.T) {
			_, d := test.expand(t)
			if !d.HasErrors() {
				t.Fatal("no error")
			}
			var path string
			if len(d[0].Path) > 0 {
				path = d[0].Path[0].(cty.GetAttrStep).Name
			}
			if d.Error() != test.want || path != test.path {
				t.Errorf("got  %s (at %q)\nwant %s (at %q)", d, path, test.want, test.path)
			}
		})
	}
}

// Two deployments of one process get subnets of their own, and each the same
// one again.
func TestExpandSideBySide(t *testing.T) {
	e := &engine{}
	p, s := callable(t, e)
	var got []string
	for _, label := range []string{"a", "b", "a"} {
		x, d := p.Expand(t.Context(), plugins.ExpandRequest{
			Composition: "web", Label: label, Flavour: "docker", Roles: []plugins.Role{role("server", 1)},
			Config: value(t, s.Flavours["docker"].Block, nil),
		})
		if d.HasErrors() {
			t.Fatal(d)
		}
		got = append(got, summary(x)[0])
	}
	if text := strings.Join(got, ", "); text != "docker_network.lan 10.89.0.0/24, docker_network.lan 10.89.1.0/24, docker_network.lan 10.89.0.0/24" {
		t.Error(text)
	}
}
