package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Deployment is a deployment of Kadeploy's.
type Deployment struct {
	UID         string                `json:"uid"`
	UserUID     string                `json:"user_uid"`
	Environment string                `json:"environment"`
	Status      string                `json:"status"` // waiting, processing, terminated, canceled, error
	Nodes       []string              `json:"nodes"`
	Result      map[string]NodeResult `json:"result"`
	Output      string                `json:"output"`
	CreatedAt   int64                 `json:"created_at"`
}

// NodeResult is what became of a node.
type NodeResult struct {
	State string `json:"state"` // OK, KO
	Macro string `json:"macro"` // the step, in large
	Micro string `json:"micro"`
}

// DeploymentSubmission asks for a deployment.
type DeploymentSubmission struct {
	Nodes       []string `json:"nodes"`
	Environment string   `json:"environment"`
	Key         string   `json:"key,omitempty"`
	Version     int64    `json:"version,omitempty"`
	Arch        string   `json:"arch,omitempty"`
	Vlan        int64    `json:"vlan,omitempty"`
	Partition   string   `json:"partition_label,omitempty"`
	BlockDevice string   `json:"block_device,omitempty"`
	Ignore      bool     `json:"ignore_nodes_deploying,omitempty"`
}

// Active reports whether it is still under way.
func (d *Deployment) Active() bool { return d.Status == "waiting" || d.Status == "processing" }

// OK lists the nodes that were deployed, in natural order.
func (d *Deployment) OK() []string { return d.in(func(r NodeResult) bool { return r.State == "OK" }) }

// KO lists the nodes that were not, in natural order: those that Kadeploy says
// so of, and those that it says nothing of at its end.
func (d *Deployment) KO() []string {
	ko := d.in(func(r NodeResult) bool { return r.State == "KO" })
	if d.Active() {
		return ko
	}
	for _, node := range d.Nodes {
		if r := d.Result[node]; r.State != "OK" && r.State != "KO" {
			ko = append(ko, node)
		}
	}
	SortNodes(ko)
	return ko
}

func (d *Deployment) in(want func(NodeResult) bool) []string {
	list := []string{}
	for node, r := range d.Result {
		if want(r) {
			list = append(list, node)
		}
	}
	SortNodes(list)
	return list
}

func deployments(site string) string { return sitePath(site) + "/deployments" }

// Deployment reads one deployment.
func (c *Client) Deployment(ctx context.Context, site, uid string) (*Deployment, error) {
	var d Deployment
	if err := c.get(ctx, deployments(site)+"/"+url.PathEscape(uid), nil, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// ActiveDeployments lists the user's deployments that are under way.
func (c *Client) ActiveDeployments(ctx context.Context, site string) ([]Deployment, error) {
	var active []Deployment
	for _, status := range []string{"waiting", "processing"} {
		list, err := all[Deployment](ctx, c, deployments(site), url.Values{"user": {c.user}, "status": {status}})
		if err != nil {
			return nil, err
		}
		active = append(active, list...)
	}
	return active, nil
}

// latestDeployment finds the user's newest deployment of exactly these nodes
// with this environment that was not made before a time; nil when there is
// none, or none that can be seen yet.
func (c *Client) latestDeployment(ctx context.Context, site string, s DeploymentSubmission, notBefore int64) (*Deployment, error) {
	var newest collection[Deployment]
	if err := c.get(ctx, deployments(site), url.Values{"user": {c.user}, "limit": {"100"}}, &newest); err != nil {
		return nil, err
	}
	var found *Deployment
	for i := range newest.Items {
		d := &newest.Items[i]
		if d.Environment == s.Environment && sameNodes(d.Nodes, s.Nodes) && d.CreatedAt >= notBefore && (found == nil || found.CreatedAt < d.CreatedAt) {
			found = d
		}
	}
	return found, nil
}

func sameNodes(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// Deploy asks for a deployment. When the answer is lost it looks for what was
// made before it asks again: no node takes part in two.
func (c *Client) Deploy(ctx context.Context, site string, s DeploymentSubmission) (*Deployment, error) {
	const tries = 3
	for n := 1; ; n++ {
		began := c.Now().Unix() - 5
		var d Deployment
		err := c.post(ctx, deployments(site), s, &d)
		if err == nil && d.UID != "" {
			return &d, nil
		}
		if err != nil && !Uncertain(err) {
			return nil, err
		}
		c.tell(ctx, "looking whether the deployment was started: the answer was lost")
		var found *Deployment
		_, lookErr := c.Settle(ctx, func() (bool, error) {
			var err error
			found, err = c.latestDeployment(ctx, site, s, began)
			return found != nil, err
		})
		switch {
		case found != nil:
			return found, nil
		case lookErr != nil:
			return nil, fmt.Errorf("look for the deployment, whose start was not answered: %w", lookErr)
		case n == tries && err == nil:
			return nil, fmt.Errorf("start a deployment: %d answers without a number", tries)
		case n == tries:
			return nil, err
		}
	}
}

// CancelDeployment ends a deployment. One that has ended is fine.
func (c *Client) CancelDeployment(ctx context.Context, site, uid string) error {
	err := c.change(ctx, http.MethodDelete, deployments(site)+"/"+url.PathEscape(uid), nil)
	if Missing(err) {
		return nil
	}
	return err
}

// Environment is an environment that Kadeploy knows by name.
type Environment struct {
	Name       string `json:"name"`
	Alias      string `json:"alias"`
	User       string `json:"user"`
	Arch       string `json:"arch"`
	Visibility string `json:"visibility"`
}

// Environments lists a site's environments with a name; all that the user may
// see for "".
func (c *Client) Environments(ctx context.Context, site, name string) ([]Environment, error) {
	query := url.Values{}
	if name != "" {
		query.Set("name", name)
	}
	list, err := all[Environment](ctx, c, sitePath(site)+"/environments", query)
	slices.SortFunc(list, func(a, b Environment) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}
