package sdk_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

func TestNodes(t *testing.T) {
	nodes, err := sdk.Nodes([]plugins.Role{{Name: "client", Nodes: []string{"client1", "client2"}}, {Name: "server", Nodes: []string{"server"}}}, "A machine")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range nodes {
		got = append(got, fmt.Sprintf("%s %s %d", n.Name, n.Role.Name, n.Index))
	}
	if diff := cmp.Diff([]string{"client1 client 0", "client2 client 1", "server server 0"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	memory := map[string]int{"client": 1, "client2": 2}
	for i, want := range []int{1, 2, 0} {
		if v, ok := sdk.Of(memory, nodes[i]); v != want || ok != (want > 0) {
			t.Errorf("%s has %d, %v; want %d", nodes[i].Name, v, ok, want)
		}
	}
	if err := sdk.CheckKeys(nodes, sdk.KeyedBy("memory", memory), sdk.Keyed{Attribute: "privileged", Keys: []string{"server"}}); err != nil {
		t.Error(err)
	}
	err = sdk.CheckKeys(nodes, sdk.KeyedBy("memory", map[string]int{"nobody": 1}))
	if err == nil || !strings.Contains(err.Error(), `no role or node "nobody"`) || !strings.Contains(err.Error(), "client, client1, client2, server") {
		t.Errorf("got %v", err)
	}
	if _, err := sdk.Nodes([]plugins.Role{{Name: "worker", Rest: true, Min: 2}}, "A machine"); err == nil || !strings.Contains(err.Error(), "worker = 2") {
		t.Errorf("got %v", err)
	}
}

func TestAddresses(t *testing.T) {
	subnet := netip.MustParsePrefix("10.0.0.0/29")
	a := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, n}) }
	for name, tt := range map[string]struct {
		names   string
		had     map[string]netip.Addr
		gateway netip.Addr
		want    []netip.Addr
	}{
		"new":                        {"x y", nil, a(1), []netip.Addr{a(2), a(3)}},
		"kept":                       {"x y", map[string]netip.Addr{"y": a(2)}, a(1), []netip.Addr{a(3), a(2)}},
		"not at once another's":      {"x", map[string]netip.Addr{"gone": a(2)}, a(1), []netip.Addr{a(3)}},
		"another's when need be":     {"1 2 3 4 5", map[string]netip.Addr{"gone": a(2)}, a(1), []netip.Addr{a(3), a(4), a(5), a(6), a(2)}},
		"one address of two":         {"x y", map[string]netip.Addr{"x": a(2), "y": a(2)}, a(1), []netip.Addr{a(2), a(3)}},
		"of another subnet":          {"x", map[string]netip.Addr{"x": netip.MustParseAddr("10.1.0.2")}, a(1), []netip.Addr{a(2)}},
		"the gateway's is not kept":  {"x", map[string]netip.Addr{"x": a(1)}, a(1), []netip.Addr{a(2)}},
		"a gateway elsewhere":        {"x y", map[string]netip.Addr{"y": a(2)}, a(2), []netip.Addr{a(3), a(4)}},
		"full":                       {"1 2 3 4 5 6", nil, a(1), nil},
		"full with another gateway":  {"1 2 3 4 5", nil, a(3), nil},
		"no gateway that is address": {"x", nil, netip.Addr{}, []netip.Addr{a(2)}},
	} {
		names := strings.Fields(tt.names)
		given, err := sdk.Addresses(subnet, tt.gateway, names, tt.had)
		if (err == nil) != (tt.want != nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, w := range tt.want {
			if got := given[names[i]]; got != w {
				t.Errorf("%s: node %s has %s, want %s", name, names[i], got, w)
			}
		}
	}
}
