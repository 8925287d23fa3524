package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Opening lets what comes from outside, over IPv6, reach addresses of a job.
type Opening struct {
	Addresses []string `json:"addr"`
	Ports     []string `json:"port,omitempty"`
	Protocol  string   `json:"proto,omitempty"`
}

// opening is an Opening as the firewall writes it: what is single may stand
// alone, and a port may be a number.
type opening struct {
	Addresses oneOrMany `json:"addr"`
	Ports     oneOrMany `json:"port"`
	Protocol  word      `json:"proto"`
}

type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(text []byte) error {
	*o = nil
	if strings.HasPrefix(strings.TrimSpace(string(text)), "[") {
		return (*words)(o).UnmarshalJSON(text)
	}
	var w word
	if err := w.UnmarshalJSON(text); err != nil || w == "null" {
		return err
	}
	*o = oneOrMany{string(w)}
	return nil
}

func firewall(site string, job int64) string {
	return fmt.Sprintf("%s/firewall/%d", sitePath(site), job)
}

// Firewall reads what is open for a job.
func (c *Client) Firewall(ctx context.Context, site string, job int64) ([]Opening, error) {
	var list []opening
	if err := c.get(ctx, firewall(site, job), nil, &list); err != nil {
		return nil, err
	}
	openings := make([]Opening, len(list))
	for i, o := range list {
		openings[i] = Opening{Addresses: o.Addresses, Ports: o.Ports, Protocol: string(o.Protocol)}
	}
	return openings, nil
}

// OpenFirewall adds openings. One that is there twice is open as it is once,
// so a request may be sent again.
func (c *Client) OpenFirewall(ctx context.Context, site string, job int64, openings []Opening) error {
	return c.change(ctx, http.MethodPost, firewall(site, job), openings)
}

// CloseFirewall closes all that is open for a job.
func (c *Client) CloseFirewall(ctx context.Context, site string, job int64) error {
	err := c.change(ctx, http.MethodDelete, firewall(site, job), nil)
	if Missing(err) {
		return nil
	}
	return err
}

// Access lets an address mount a person's home for as long as a job lasts.
type Access struct {
	UID         string      `json:"uid,omitempty"`
	Address     string      `json:"ipv4"`
	Termination Termination `json:"termination"`
}

// Termination says with which job an access ends.
type Termination struct {
	Job  int64  `json:"job"`
	Site string `json:"site"`
}

func access(site, user string) string {
	return sitePath(site) + "/storage/home/" + url.PathEscape(user) + "/access"
}

// Accesses lists who may mount the user's home at a site.
func (c *Client) Accesses(ctx context.Context, site string) ([]Access, error) {
	var list []Access
	if err := c.get(ctx, access(site, c.user), nil, &list); err != nil {
		return nil, err
	}
	return list, nil
}

// GrantAccess lets an address mount the user's home. When the answer is lost
// it looks for what was made.
func (c *Client) GrantAccess(ctx context.Context, site string, a Access) (*Access, error) {
	var made Access
	err := c.post(ctx, access(site, c.user), a, &made)
	if err == nil && made.UID != "" {
		return &made, nil
	}
	if err != nil && !Uncertain(err) {
		return nil, err
	}
	list, lookErr := c.Accesses(ctx, site)
	if lookErr != nil {
		return nil, lookErr
	}
	for i := range list {
		if list[i].Address == a.Address && list[i].Termination == a.Termination {
			return &list[i], nil
		}
	}
	if err == nil {
		err = fmt.Errorf("grant access to the home at %s: the answer names none", site)
	}
	return nil, err
}

// RevokeAccess ends an access. One that is gone is fine.
func (c *Client) RevokeAccess(ctx context.Context, site, uid string) error {
	err := c.change(ctx, http.MethodDelete, access(site, c.user)+"/"+url.PathEscape(uid), nil)
	if Missing(err) {
		return nil
	}
	return err
}
