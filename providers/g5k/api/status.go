package api

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Status is what a site's nodes do now.
type Status struct {
	At    int64                 `json:"uid"`
	Nodes map[string]NodeStatus `json:"nodes"`
}

// NodeStatus is what one node does, and what it is reserved for.
type NodeStatus struct {
	Hard          string        `json:"hard"` // dead, alive, standby, absent, suspected
	Soft          string        `json:"soft"` // unknown, free, busy, besteffort
	FreeSlots     int64         `json:"free_slots"`
	FreeableSlots int64         `json:"freeable_slots"`
	BusySlots     int64         `json:"busy_slots"`
	Reservations  []Reservation `json:"reservations"`
}

// Cores is how many cores the node has.
func (n NodeStatus) Cores() int64 { return n.FreeSlots + n.FreeableSlots + n.BusySlots }

// Usable reports whether the node can be had at all.
func (n NodeStatus) Usable() bool { return n.Hard == "alive" || n.Hard == "standby" }

// Reservation is a job that has a node, or will have it.
type Reservation struct {
	UID         int64  `json:"uid"`
	UserUID     string `json:"user_uid"`
	Queue       string `json:"queue"`
	State       string `json:"state"`
	Walltime    int64  `json:"walltime"`
	StartedAt   int64  `json:"started_at"`
	ScheduledAt int64  `json:"scheduled_at"`
}

// Status reads a site's status, or that of one of its clusters.
func (c *Client) Status(ctx context.Context, site, cluster string) (*Status, error) {
	path := sitePath(site)
	if cluster != "" {
		path += "/clusters/" + url.PathEscape(cluster)
	}
	var s Status
	if err := c.get(ctx, path+"/status", url.Values{"disks": {"no"}}, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// SortNodes sorts names of nodes as people count: dahu-2 before dahu-10.
func SortNodes(names []string) { slices.SortFunc(names, CompareNodes) }

// CompareNodes orders names of nodes as people count.
func CompareNodes(a, b string) int {
	ah, an := splitNode(a)
	bh, bn := splitNode(b)
	if c := strings.Compare(ah, bh); c != 0 {
		return c
	}
	if an != bn {
		return an - bn
	}
	return strings.Compare(a, b)
}

// splitNode takes a node's cluster and number from its name.
func splitNode(name string) (cluster string, number int) {
	host, _, _ := strings.Cut(name, ".")
	i := strings.LastIndexByte(host, '-')
	if i < 0 {
		return host, 0
	}
	n, err := strconv.Atoi(host[i+1:])
	if err != nil {
		return host, 0
	}
	return host[:i], n
}

// ClusterOf is the cluster that a node's name tells.
func ClusterOf(node string) string {
	cluster, _ := splitNode(node)
	return cluster
}
