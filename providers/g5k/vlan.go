package g5k

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// Vlan is a network of a job's, apart from others, and the nodes in it.
type Vlan struct {
	Site  string   `nxc:"site,required,replace" doc:"Site, such as grenoble."`
	Job   int64    `nxc:"job,required,replace" doc:"Number of the job that has the network: g5k_job.X.uid. Its resources hold one, such as {type='kavlan'}/vlan=1."`
	Which int64    `nxc:"which,optional,replace" doc:"Which of the job's networks, counted from 0."`
	Nodes []string `nxc:"nodes,optional" doc:"Nodes that are moved into it. Those of a deployment with vlan are in it already."`
	DHCP  *bool    `nxc:"dhcp,optional,default=true" doc:"Whether KaVLAN's own DHCP server answers in it."`
	ID    int64    `nxc:"id,computed" doc:"The network's number."`
	Type  string   `nxc:"type,computed" doc:"kavlan-local, kavlan or kavlan-global."`
}

// vlans handles g5k_vlan. The network is the job's, and goes with it: nothing
// of its own can be left behind.
type vlans struct{ *testbed }

var (
	_ sdk.Handler[Vlan] = vlans{}
	_ sdk.Updater[Vlan] = vlans{}
)

// nameIn is the name by which a node is reached that is in a network of
// KaVLAN's: its usual one leads to where it is not any more.
func nameIn(host string, vlan int64) string {
	if vlan == 0 {
		return host
	}
	name, domain, _ := strings.Cut(host, ".")
	return fmt.Sprintf("%s-kavlan-%d.%s", name, vlan, domain)
}

// Create takes one of the job's networks and moves nodes into it.
func (v vlans) Create(ctx context.Context, op sdk.Operation, want *Vlan) error {
	job, err := v.runningJob(ctx, op, want.Site, want.Job)
	if err != nil {
		return err
	}
	networks := job.ByType["vlans"]
	if int(want.Which) >= len(networks) || want.Which < 0 {
		return sdk.AttributeError("job", fmt.Sprintf("Job %d has %d networks of KaVLAN's", job.UID, len(networks)),
			"Reserve one with its nodes: resources = \"{type='kavlan'}/vlan=1+nodes=2\".")
	}
	id := networks[want.Which]
	seen, err := v.client.Waiting(op.Phase).Vlan(ctx, want.Site, id)
	if err != nil {
		return explain(err, "read network "+id+" of "+want.Site)
	}
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return fmt.Errorf("job %d has a network %q, which is not a number", job.UID, id)
	}
	want.ID, want.Type = number, seen.Type
	return v.arrange(ctx, op, want, want.Nodes)
}

// arrange sets the DHCP server and moves nodes in.
func (v vlans) arrange(ctx context.Context, op sdk.Operation, want *Vlan, nodes []string) error {
	client, id := v.client.Waiting(op.Phase), strconv.FormatInt(want.ID, 10)
	op.Phase("arranging network " + id)
	if err := client.SetDHCP(ctx, want.Site, id, want.DHCP == nil || *want.DHCP); err != nil {
		return notTheirs(err, "dhcp", "set the DHCP server of network "+id)
	}
	if len(nodes) == 0 {
		return nil
	}
	op.Phase(fmt.Sprintf("moving %d nodes into network %s", len(nodes), id))
	if err := client.MoveToVlan(ctx, want.Site, id, nodes); err != nil {
		return notTheirs(err, "nodes", "move nodes into network "+id)
	}
	return nil
}

// notTheirs names the attribute where KaVLAN does not let somebody.
func notTheirs(err error, attribute, doing string) error {
	switch {
	case api.Is(err, http.StatusForbidden):
		return sdk.AttributeError(attribute, "KaVLAN does not allow this", fmt.Sprintf("It could not %s. %s The network and the nodes must be of jobs of yours that run.", doing, said(err)))
	case api.Is(err, http.StatusOK):
		return sdk.AttributeError(attribute, "KaVLAN could not move all nodes", said(err))
	}
	return explain(err, doing)
}

// Read looks which of the nodes are in the network.
func (v vlans) Read(ctx context.Context, op sdk.Operation, have *Vlan) (bool, error) {
	reason, err := v.goneWith(ctx, have.Site, have.Job)
	if err != nil {
		return false, err
	}
	if reason != "" {
		return false, sdk.Gone(reason)
	}
	if have.ID == 0 || len(have.Nodes) == 0 {
		return have.ID != 0, nil
	}
	in, err := v.client.VlansOf(ctx, have.Site, have.Nodes)
	if err != nil {
		return false, explain(err, "ask in which networks nodes of "+have.Site+" are")
	}
	have.Nodes = slices.DeleteFunc(slices.Clone(have.Nodes), func(n string) bool { return in[n] != strconv.FormatInt(have.ID, 10) })
	return true, nil
}

// Update moves nodes in and out.
func (v vlans) Update(ctx context.Context, op sdk.Operation, have Vlan, want *Vlan) error {
	if err := v.leave(ctx, op, want.Site, without(have.Nodes, want.Nodes)); err != nil {
		return err
	}
	return v.arrange(ctx, op, want, without(want.Nodes, have.Nodes))
}

// Delete moves the nodes back. A job that is over has given them back itself.
func (v vlans) Delete(ctx context.Context, op sdk.Operation, have *Vlan) error {
	reason, err := v.goneWith(ctx, have.Site, have.Job)
	if err != nil || reason != "" {
		return err
	}
	return v.leave(ctx, op, have.Site, have.Nodes)
}

func (v vlans) leave(ctx context.Context, op sdk.Operation, site string, nodes []string) error {
	if len(nodes) == 0 {
		return nil
	}
	op.Phase(fmt.Sprintf("moving %d nodes back", len(nodes)))
	if err := v.client.Waiting(op.Phase).MoveToVlan(ctx, site, api.DefaultVlan, nodes); err != nil {
		return notTheirs(err, "nodes", "move nodes back into the site's network")
	}
	return nil
}

// without returns what of a is not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// Find finds nothing: see vlans.
func (v vlans) Find(context.Context, sdk.Operation) ([]sdk.Found[Vlan], error) { return nil, nil }
