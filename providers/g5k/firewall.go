package g5k

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// Firewall is what of a job's nodes can be reached from outside, over IPv6.
type Firewall struct {
	Site     string         `nxc:"site,required,replace" doc:"Site, such as grenoble."`
	Job      int64          `nxc:"job,required,replace,exclusive" doc:"Number of the job that has the nodes: g5k_job.X.uid. A job has one g5k_firewall."`
	Openings []FirewallOpen `nxc:"open,block,required" doc:"What is opened."`
}

// FirewallOpen lets what comes from outside reach nodes.
type FirewallOpen struct {
	Nodes    []string `nxc:"nodes,required" doc:"Nodes of the job."`
	Ports    []string `nxc:"ports,optional" doc:"Ports or ranges, such as 80 and 8000-8010; by default all."`
	Protocol string   `nxc:"protocol,optional,default=tcp" doc:"tcp, udp, tcp+udp, icmpv6 or all."`
	IPv6     []string `nxc:"ipv6,computed" doc:"The names under which the nodes are reached."`
}

// firewalls handles g5k_firewall. The interface can only close all that is open
// for a job, and what is open ends with the job.
type firewalls struct{ *testbed }

var (
	_ sdk.Handler[Firewall]   = firewalls{}
	_ sdk.Updater[Firewall]   = firewalls{}
	_ sdk.Planner[Firewall]   = firewalls{}
	_ sdk.Validator[Firewall] = firewalls{}
)

// ipv6Name is a node's name for its address in IPv6.
func ipv6Name(node string) string {
	host, domain, _ := strings.Cut(node, ".")
	if strings.HasSuffix(host, "-ipv6") {
		return node
	}
	return host + "-ipv6." + domain
}

// fill names what is decided by the nodes' names.
func (f *Firewall) fill() {
	for i := range f.Openings {
		f.Openings[i].IPv6 = make([]string, len(f.Openings[i].Nodes))
		for n, node := range f.Openings[i].Nodes {
			f.Openings[i].IPv6[n] = ipv6Name(node)
		}
	}
}

// wanted is what the interface is asked for.
func (f *Firewall) wanted() []api.Opening {
	list := make([]api.Opening, len(f.Openings))
	for i, o := range f.Openings {
		list[i] = api.Opening{Addresses: o.IPv6, Ports: o.Ports, Protocol: o.Protocol}
	}
	return list
}

// Create opens. What an attempt that was cut short opened is closed first.
func (f firewalls) Create(ctx context.Context, op sdk.Operation, want *Firewall) error {
	if _, err := f.runningJob(ctx, op, want.Site, want.Job); err != nil {
		return err
	}
	return f.set(ctx, op, want)
}

func (f firewalls) set(ctx context.Context, op sdk.Operation, want *Firewall) error {
	want.fill()
	client := f.client.Waiting(op.Phase)
	op.Phase("opening the firewall")
	there, err := client.Firewall(ctx, want.Site, want.Job)
	if err == nil && len(there) > 0 {
		err = client.CloseFirewall(ctx, want.Site, want.Job)
	}
	if err == nil {
		err = client.OpenFirewall(ctx, want.Site, want.Job, want.wanted())
	}
	if message, ok := api.Refusal(err); ok && !api.Is(err, http.StatusUnauthorized) {
		return sdk.AttributeError("open", "The firewall refuses", fmt.Sprintf("It says: %s. It opens nodes of a job of yours that runs, and nothing else.", strings.TrimSuffix(message, ".")))
	}
	if err != nil {
		return explain(err, fmt.Sprintf("open the firewall of %s for job %d", want.Site, want.Job))
	}
	return nil
}

// Read looks what is open.
func (f firewalls) Read(ctx context.Context, op sdk.Operation, have *Firewall) (bool, error) {
	reason, err := f.goneWith(ctx, have.Site, have.Job)
	if err != nil {
		return false, err
	}
	if reason != "" {
		return false, sdk.Gone(reason)
	}
	there, err := f.client.Firewall(ctx, have.Site, have.Job)
	if err != nil && !api.Missing(err) {
		return false, explain(err, "read the firewall of "+have.Site)
	}
	// What was closed behind our back is opened again.
	have.Openings = slices.DeleteFunc(slices.Clone(have.Openings), func(o FirewallOpen) bool {
		return !slices.ContainsFunc(there, func(t api.Opening) bool { return o.is(t) })
	})
	return true, nil
}

// is reports whether an opening of the interface's is this one.
func (o FirewallOpen) is(t api.Opening) bool {
	return slices.Equal(o.IPv6, t.Addresses) && slices.Equal(o.Ports, t.Ports) && strings.EqualFold(o.Protocol, t.Protocol)
}

// Update closes everything and opens what is wanted.
func (f firewalls) Update(ctx context.Context, op sdk.Operation, _ Firewall, want *Firewall) error {
	return f.set(ctx, op, want)
}

// Delete closes everything. A job that is over has closed it.
func (f firewalls) Delete(ctx context.Context, op sdk.Operation, have *Firewall) error {
	reason, err := f.goneWith(ctx, have.Site, have.Job)
	if err != nil || reason != "" {
		return err
	}
	op.Phase("closing the firewall")
	if err := f.client.Waiting(op.Phase).CloseFirewall(ctx, have.Site, have.Job); err != nil {
		return explain(err, fmt.Sprintf("close the firewall of %s for job %d", have.Site, have.Job))
	}
	return nil
}

// Find finds nothing: what is open carries no mark, and ends with its job.
func (f firewalls) Find(context.Context, sdk.Operation) ([]sdk.Found[Firewall], error) {
	return nil, nil
}

// Plan says early what the nodes' names decide.
func (f firewalls) Plan(_ context.Context, _ sdk.Operation, _ *Firewall, p *sdk.Planned[Firewall]) error {
	for _, o := range p.Value.Openings {
		if len(o.Nodes) == 0 {
			return nil // not known yet
		}
	}
	p.Value.fill()
	p.SetKnown("open")
	return nil
}

// Validate checks ports and protocols.
func (f firewalls) Validate(_ context.Context, config Firewall) plugins.Diagnostics {
	var d plugins.Diagnostics
	note := func(err error) {
		var more plugins.Diagnostics
		if errors.As(err, &more) {
			d = append(d, more...)
		}
	}
	for i, o := range config.Openings {
		if p := strings.ToLower(o.Protocol); p != "" && !slices.Contains([]string{"tcp", "udp", "tcp+udp", "icmpv6", "all"}, p) {
			note(sdk.AttributeError(fmt.Sprintf("open[%d].protocol", i), fmt.Sprintf("There is no protocol %q", o.Protocol), "It is tcp, udp, tcp+udp, icmpv6 or all."))
		}
		for n, port := range o.Ports {
			if port != "" && !isPorts(port) {
				note(sdk.AttributeError(fmt.Sprintf("open[%d].ports[%d]", i, n), fmt.Sprintf("%q is not a port", port), "Write 80, or 8000-8010."))
			}
		}
	}
	return d
}

// isPorts reports whether a text is a port or a range of them.
func isPorts(text string) bool {
	first, last, ranged := strings.Cut(text, "-")
	a, err := strconv.ParseUint(first, 10, 16)
	if err != nil || a == 0 {
		return false
	}
	b, err := strconv.ParseUint(last, 10, 16)
	return !ranged || err == nil && a <= b
}
