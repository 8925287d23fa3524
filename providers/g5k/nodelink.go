package g5k

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Link changes what a node sends to the others of its deployment. What it says
// to nxc, to the site's servers and to the rest stays as it is: a node that is
// cut off from everybody could not be given its link back.
func (n nodes) Link(ctx context.Context, op sdk.Operation, have *Node, l plugins.Link) error {
	s, err := n.reached(ctx, op, have)
	if err != nil {
		return err
	}
	answer, exit, err := s.shell(ctx, linkScript(l))
	if err == nil && exit != 0 {
		err = sdk.Error("The link of "+have.Name+" cannot be changed", fmt.Sprintf("tc ended with status %d: %s", exit, answer))
	}
	return err
}

// linkScript shapes the packets to the nodes of /etc/nxc/hosts by a queue of
// their own.
func linkScript(l plugins.Link) string {
	script := `device=$(ip -4 -o route show default | sed 's|.* dev \([^ ]*\).*|\1|' | head -n 1)
[ -n "$device" ] || device=$(ip -4 -o addr show scope global | awk '{ print $2; exit }')
tc qdisc del dev $device root 2>/dev/null
`
	quality := netem(l)
	if quality == "" {
		return script + "exit 0"
	}
	return script + `set -e
tc qdisc add dev $device root handle 1: prio bands 4
tc qdisc add dev $device parent 1:4 handle 40: netem ` + quality + `
own=$(ip -4 -o addr show dev $device | sed 's|.* inet \([0-9.]*\)/.*|\1|' | head -n 1)
while read -r address name; do
  [ "$address" = "$own" ] || tc filter add dev $device parent 1: protocol ip prio 1 u32 match ip dst $address/32 flowid 1:4
done </etc/nxc/hosts`
}

// netem are the words of tc for a link; none for a perfect one.
func netem(l plugins.Link) string {
	var words []string
	if l.Block {
		return "loss 100%"
	}
	if l.Delay > 0 {
		words = append(words, fmt.Sprintf("delay %dus", l.Delay/time.Microsecond))
	}
	if l.Loss > 0 {
		words = append(words, fmt.Sprintf("loss %g%%", l.Loss*100))
	}
	if l.Rate > 0 {
		words = append(words, fmt.Sprintf("rate %dbit", l.Rate))
	}
	return strings.Join(words, " ")
}
