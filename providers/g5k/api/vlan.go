package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// DefaultVlan is the network in which nodes are without KaVLAN.
const DefaultVlan = "DEFAULT"

// Vlan is a network of KaVLAN's.
type Vlan struct {
	UID  word   `json:"uid"`
	Type string `json:"type"`
}

// VlanNode is a node and the network that it is in.
type VlanNode struct {
	UID  string `json:"uid"`
	Vlan word   `json:"vlan"`
}

// word is a name that may be written as a number.
type word string

func (w *word) UnmarshalJSON(text []byte) error {
	*w = word(strings.Trim(string(text), `"`))
	return nil
}

func vlans(site string) string { return sitePath(site) + "/vlans" }

// Vlan reads one network.
func (c *Client) Vlan(ctx context.Context, site, id string) (*Vlan, error) {
	var v Vlan
	if err := c.get(ctx, vlans(site)+"/"+url.PathEscape(id), nil, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// VlansOf tells for nodes which networks they are in.
func (c *Client) VlansOf(ctx context.Context, site string, nodes []string) (map[string]string, error) {
	var page collection[VlanNode]
	// It only asks, although it is a POST: the nodes do not fit into a path.
	err := c.persist(ctx, func() error {
		a, err := c.send(ctx, http.MethodPost, vlans(site)+"/nodes", nil, nodes)
		if err != nil {
			return err
		}
		return decode(http.MethodPost, vlans(site)+"/nodes", a.body, &page)
	})
	if err != nil {
		return nil, err
	}
	in := map[string]string{}
	for _, n := range page.Items {
		in[n.UID] = string(n.Vlan)
	}
	return in, nil
}

// moved is what became of a node that was to be moved.
type moved struct{ Status, Message string }

// MoveToVlan puts nodes into a network. Doing that again changes nothing.
func (c *Client) MoveToVlan(ctx context.Context, site, id string, nodes []string) error {
	path := vlans(site) + "/" + url.PathEscape(id) + "/nodes"
	var answer map[string]json.RawMessage
	err := c.persist(ctx, func() error {
		a, err := c.send(ctx, http.MethodPost, path, nil, nodes)
		if err != nil {
			return err
		}
		return decode(http.MethodPost, path, a.body, &answer)
	})
	if err != nil {
		return err
	}
	var failed []string
	for _, node := range slices.SortedFunc(maps.Keys(answer), CompareNodes) {
		var m moved
		if json.Unmarshal(answer[node], &m) == nil && m.Status == "failure" {
			failed = append(failed, fmt.Sprintf("%s: %s", node, m.Message))
		}
	}
	if len(failed) > 0 {
		return &Failure{Method: http.MethodPost, Path: path, Status: http.StatusOK, Message: strings.Join(failed, "\n")}
	}
	return nil
}

// SetDHCP starts or stops a network's DHCP server.
func (c *Client) SetDHCP(ctx context.Context, site, id string, on bool) error {
	action := "stop"
	if on {
		action = "start"
	}
	return c.change(ctx, http.MethodPut, vlans(site)+"/"+url.PathEscape(id)+"/dhcpd", map[string]string{"action": action})
}
