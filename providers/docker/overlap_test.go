package docker

import (
	"context"
	"testing"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// TestOtherSubnet plans a network whose addresses change: what the engine chose
// for the one that exists is no mistake in the new one.
func TestOtherSubnet(t *testing.T) {
	have := Network{Name: "lan", Subnet: "10.1.0.0/24", Gateway: "10.1.0.1"}
	six := Network{Name: "lan", Subnet: "10.1.0.0/24", Gateway: "10.1.0.1", IPv6: true, Subnet6: "fd12::/64", Gateway6: "fd12::1"}
	with := func(n Network, change func(*Network)) Network { change(&n); return n }
	for name, test := range map[string]struct {
		prior *Network
		want  Network
		ok    bool
	}{
		"the same":                       {&have, have, true},
		"another subnet":                 {&have, with(have, func(n *Network) { n.Subnet = "10.2.0.0/24" }), true},
		"no IPv6 any more":               {&six, with(six, func(n *Network) { n.IPv6 = false }), true},
		"another subnet of IPv6":         {&six, with(six, func(n *Network) { n.Subnet6 = "fd13::/64" }), true},
		"another gateway, outside":       {&have, with(have, func(n *Network) { n.Gateway = "10.2.0.1" }), false},
		"a new one, the gateway outside": {nil, with(have, func(n *Network) { n.Gateway = "10.2.0.1" }), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := &sdk.Planned[Network]{Value: test.want}
			err := networks{&engine{}}.Plan(context.Background(), sdk.Operation{}, test.prior, p)
			if (err == nil) != test.ok {
				t.Errorf("got %v, want a plan: %t", err, test.ok)
			}
		})
	}
}
