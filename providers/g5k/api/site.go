package api

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Site is a site as the reference describes it.
type Site struct {
	UID         string `json:"uid"`
	Name        string `json:"name"`
	Location    string `json:"location"`
	Description string `json:"description"`
	Production  bool   `json:"production"`
}

// Cluster is a cluster as the reference describes it.
type Cluster struct {
	UID    string   `json:"uid"`
	Model  string   `json:"model"`
	Queues []string `json:"queues"`
	Kavlan bool     `json:"kavlan"`
	Exotic bool     `json:"exotic"`
}

// Node is a node as the reference describes it.
type Node struct {
	UID          string `json:"uid"`
	Architecture struct {
		Cores    int64  `json:"nb_cores"`
		Threads  int64  `json:"nb_threads"`
		Platform string `json:"platform_type"`
	} `json:"architecture"`
	MainMemory struct {
		Size int64 `json:"ram_size"`
	} `json:"main_memory"`
	Processor struct {
		Model   string `json:"model"`
		Version string `json:"version"`
	} `json:"processor"`
	StorageDevices json.RawMessage `json:"storage_devices"`
	SupportedJobs  struct {
		Deploy flexibleBool `json:"deploy"`
		Queues []string     `json:"queues"`
	} `json:"supported_job_types"`
}

// flexibleBool reads what the reference writes as true, "YES" or a number.
type flexibleBool bool

func (b *flexibleBool) UnmarshalJSON(text []byte) error {
	s := strings.ToLower(strings.Trim(string(text), `"`))
	*b = flexibleBool(s == "true" || s == "yes" || s == "1")
	return nil
}

func sitePath(site string) string { return "/sites/" + url.PathEscape(site) }

// Sites lists the sites, sorted.
func (c *Client) Sites(ctx context.Context) ([]Site, error) {
	list, err := all[Site](ctx, c, "/sites", nil)
	slices.SortFunc(list, func(a, b Site) int { return strings.Compare(a.UID, b.UID) })
	return list, err
}

// Site reads one site.
func (c *Client) Site(ctx context.Context, site string) (*Site, error) {
	var s Site
	if err := c.get(ctx, sitePath(site), nil, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Clusters lists a site's clusters, sorted.
func (c *Client) Clusters(ctx context.Context, site string) ([]Cluster, error) {
	list, err := all[Cluster](ctx, c, sitePath(site)+"/clusters", nil)
	slices.SortFunc(list, func(a, b Cluster) int { return strings.Compare(a.UID, b.UID) })
	return list, err
}

// Cluster reads one cluster.
func (c *Client) Cluster(ctx context.Context, site, cluster string) (*Cluster, error) {
	var one Cluster
	if err := c.get(ctx, sitePath(site)+"/clusters/"+url.PathEscape(cluster), nil, &one); err != nil {
		return nil, err
	}
	return &one, nil
}

// Nodes lists a cluster's nodes, in their natural order.
func (c *Client) Nodes(ctx context.Context, site, cluster string) ([]Node, error) {
	list, err := all[Node](ctx, c, sitePath(site)+"/clusters/"+url.PathEscape(cluster)+"/nodes", nil)
	slices.SortFunc(list, func(a, b Node) int { return CompareNodes(a.UID, b.UID) })
	return list, err
}
