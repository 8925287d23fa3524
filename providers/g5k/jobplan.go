package g5k

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// Plan looks whether what is asked for exists, and says what it costs and when
// it can begin. For a job that exists it decides what becomes of it.
func (j jobs) Plan(ctx context.Context, op sdk.Operation, prior *Job, p *sdk.Planned[Job]) error {
	if prior != nil {
		return j.planAgain(ctx, prior, p)
	}
	for _, name := range []string{"site", "nodes", "cluster", "walltime", "resources", "existing", "reservation"} {
		if p.Unknown(name) {
			return nil
		}
	}
	if p.Value.Existing != 0 {
		seen, err := j.client.Job(ctx, p.Value.Site, p.Value.Existing)
		if err != nil {
			return noSuchJob(err, &p.Value)
		}
		p.Value.CoreHours = 0
		p.SetKnown("core_hours")
		return j.usable(seen, &p.Value)
	}
	return j.foresee(ctx, p)
}

// planAgain decides what becomes of a job that exists.
func (j jobs) planAgain(_ context.Context, prior *Job, p *sdk.Planned[Job]) error {
	v := &p.Value
	if p.Unknown("walltime") {
		return nil
	}
	want, err := parseWalltime(v.Walltime)
	if err != nil {
		return err
	}
	have, err := parseWalltime(prior.Walltime)
	waits := prior.State != "running" && prior.State != "suspended"
	if err == nil && want != have && prior.Existing == 0 {
		switch {
		case want < have:
			p.Replace("walltime", fmt.Sprintf("a walltime cannot become shorter (%s, was %s)", span(want), span(have)))
			return nil
		case waits:
			p.Replace("walltime", "it waits, and only the walltime of a job that runs can change")
			return nil
		}
		v.CoreHours = prior.CoreHours * float64(want) / float64(have)
		p.SetUnknown("ends_at")
	}
	if waits {
		for _, name := range []string{"state", "assigned_nodes", "started_at", "ends_at"} {
			p.SetUnknown(name)
		}
	}
	return nil
}

// foresee asks the reference and the status about a job that is to be.
func (j jobs) foresee(ctx context.Context, p *sdk.Planned[Job]) error {
	v := &p.Value
	if err := j.checkSite(ctx, "site", v.Site); err != nil {
		return err
	}
	if v.Cluster != "" {
		if err := j.checkCluster(ctx, "cluster", v.Site, v.Cluster); err != nil {
			return err
		}
	}
	walltime, err := parseWalltime(v.Walltime)
	if err != nil {
		return err
	}
	status, err := j.client.Status(ctx, v.Site, v.Cluster)
	if err != nil {
		return explain(err, "read the status of "+v.Site)
	}
	now := nowOf(status)
	begin := now
	for _, date := range []struct{ attribute, text string }{{"reservation", v.Reservation}, {"start_after", v.StartAfter}} {
		if date.text == "" || date.text == "now" || p.Unknown(date.attribute) {
			continue
		}
		at, err := parseDate(date.attribute, date.text)
		if err != nil {
			return err
		}
		if date.attribute == "reservation" && at.Before(now.Add(-time.Minute)) {
			return sdk.AttributeError("reservation", "The reservation is in the past",
				fmt.Sprintf("In Paris it is %s. Give a date to come, or leave reservation out.", now.In(paris()).Format("2006-01-02 15:04")))
		}
		if at.After(begin) {
			begin = at
		}
	}
	p.SetKnown("core_hours")
	v.CoreHours = 0
	if v.Resources != "" {
		p.Remark(fmt.Sprintf("%s for %s", v.Resources, span(walltime)))
		return nil // what it comes to is known to OAR alone
	}
	return j.predict(p, status, begin, now, walltime)
}

// predict says what a number of nodes costs at most, and warns when they are
// not free.
func (j jobs) predict(p *sdk.Planned[Job], status *api.Status, begin, now time.Time, walltime time.Duration) error {
	v := &p.Value
	nodes := int(max(1, v.Nodes))
	where := v.Site
	if v.Cluster != "" {
		where = v.Cluster
	}
	if there := len(status.Nodes); nodes > there {
		return sdk.AttributeError("nodes", fmt.Sprintf("%s has no %d nodes", where, nodes),
			fmt.Sprintf("There are %d, of which %d can be had now. Ask for fewer, or for another cluster or site.", there, usable(status)))
	}
	v.CoreHours = float64(mostCores(status, nodes)) * walltime.Hours()
	remark := fmt.Sprintf("%s of %s for %s, at most %g core-hours", counted(nodes, "node"), where, span(walltime), v.CoreHours)
	if v.Reservation != "" && v.Reservation != "now" || v.StartAfter != "" {
		remark += ", from " + begin.In(paris()).Format("Mon 2 Jan 15:04") + " on"
	}
	p.Remark(remark)
	if v.Properties != "" {
		return nil // how many nodes have them is known to OAR alone
	}
	w := soonest(status, nodes, begin, walltime)
	switch {
	case w.at.IsZero():
		return sdk.Warn(fmt.Sprintf("%s cannot give %s at present", where, counted(nodes, "node")),
			fmt.Sprintf("Of its %d nodes %d can be had; the others are down or suspected. The job would wait until they are back.", len(status.Nodes), usable(status)))
	case !w.at.After(begin):
		return nil
	}
	return sdk.Warn(fmt.Sprintf("%s of %s: free together for %s only from %s on", counted(nodes, "node"), where, span(walltime), clock(w.at, now)),
		fmt.Sprintf("That is in %s, as far as is reserved now. The job waits until then, and nxc apply with it; it can be interrupted and run again.", span(w.at.Sub(now).Truncate(time.Minute))))
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// checkSite says which sites there are, when it is none.
func (t *testbed) checkSite(ctx context.Context, attribute, site string) error {
	sites, err := t.client.Sites(ctx)
	if err != nil {
		return explain(err, "ask Grid'5000 for its sites")
	}
	names := make([]string, len(sites))
	for i, s := range sites {
		if s.UID == site {
			return nil
		}
		names[i] = s.UID
	}
	return sdk.AttributeError(attribute, fmt.Sprintf("There is no site %q", site), among(site, names))
}

// checkCluster says which clusters a site has, when it is none of them.
func (t *testbed) checkCluster(ctx context.Context, attribute, site, cluster string) error {
	clusters, err := t.client.Clusters(ctx, site)
	if err != nil {
		return explain(err, fmt.Sprintf("ask %s for its clusters", site))
	}
	names := make([]string, len(clusters))
	for i, c := range clusters {
		if c.UID == cluster {
			return nil
		}
		names[i] = c.UID
	}
	return sdk.AttributeError(attribute, fmt.Sprintf("%s has no cluster %q", site, cluster), among(cluster, names))
}

// Validate checks what the schema cannot say.
func (j jobs) Validate(_ context.Context, config Job) plugins.Diagnostics {
	var d plugins.Diagnostics
	note := func(err error) {
		var more plugins.Diagnostics
		if errors.As(err, &more) {
			d = append(d, more...)
		}
	}
	if config.Walltime != "" {
		_, err := parseWalltime(config.Walltime)
		note(err)
	}
	if config.Reservation != "" && config.Reservation != "now" {
		_, err := parseDate("reservation", config.Reservation)
		note(err)
	}
	if config.StartAfter != "" {
		_, err := parseDate("start_after", config.StartAfter)
		note(err)
	}
	switch {
	case config.Nodes != 0 && config.Resources != "":
		note(sdk.AttributeError("resources", "Both nodes and resources say how much", "Keep one of them."))
	case config.Nodes < 0:
		note(sdk.AttributeError("nodes", fmt.Sprintf("A job cannot have %d nodes", config.Nodes), "Give a number from 1 on."))
	case config.Reservation != "" && config.StartAfter != "":
		note(sdk.AttributeError("start_after", "A reservation has its start already", "Keep reservation or start_after."))
	}
	if strings.Contains(config.Resources, "walltime") {
		note(sdk.AttributeError("resources", "The walltime has an attribute of its own", "Take it out of resources, and write walltime."))
	}
	if strings.ContainsAny(config.Cluster, "' \t") {
		note(sdk.AttributeError("cluster", fmt.Sprintf("%q is not a cluster", config.Cluster), "Give one cluster's name; for several, write properties."))
	}
	return d
}
