package g5k

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// part is what a deployment has at one site.
type part struct {
	site     string
	nodes    []sdk.LaidOut
	hosts    map[string]string // by node: those that have one, or are given one now
	existing int64             // a job that is there already
	listed   []string          // hosts that a file lists
	reserve  int64             // how many nodes to ask for
	prior    map[string]Node   // what its nodes are now
}

// layOut says which nodes are of which site, and which hosts they have. What
// they have they keep.
func (t *testbed) layOut(ctx context.Context, r plugins.ExpandRequest, w Where) ([]part, error) {
	if w.JobID == 0 && w.Machines == "" {
		if id, err := strconv.ParseInt(t.getenv("OAR_JOB_ID"), 10, 64); err == nil && len(w.Sites) == 0 {
			w.JobID = id
		}
	}
	parts, err := t.sitesOf(ctx, w)
	if err != nil {
		return nil, err
	}
	jobs, err := sdk.Prior[Job](r, "g5k_job")
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for i := range parts {
		p := &parts[i]
		if p.existing != 0 && len(p.listed) == 0 && p.reserve == 0 {
			var have []string
			if prior := jobs[p.site]; prior.Existing == p.existing {
				have = prior.AssignedNodes
			}
			if len(have) == 0 {
				seen, err := t.client.Job(ctx, p.site, p.existing)
				if err != nil {
					return nil, noSuchJob(err, &Job{Site: p.site, Existing: p.existing})
				}
				have = nodesOf(seen.AssignedNodes)
			}
			p.reserve = int64(len(have)) - w.Spares
		}
		total += p.reserve
	}
	nodes, err := nameNodes(r.Roles, total, w)
	if err != nil {
		return nil, err
	}
	prior, err := sdk.Prior[Node](r, "g5k_node")
	if err != nil {
		return nil, err
	}
	at := 0
	for i := range parts {
		p := &parts[i]
		count := int(p.reserve)
		if len(parts) == 1 {
			count = len(nodes)
		}
		if at+count > len(nodes) {
			count = len(nodes) - at
		}
		p.nodes = nodes[at : at+count]
		at += count
		p.reserve = max(p.reserve, int64(count)) + w.Spares
		var hosts []string
		if job, ok := jobs[p.site]; ok && job.serves(p.job(w)) {
			hosts = job.AssignedNodes
		}
		if p.listed != nil {
			hosts = p.listed
		}
		p.prior = map[string]Node{}
		for _, n := range p.nodes {
			if have, ok := prior[n.Name]; ok && have.Site == p.site {
				p.prior[n.Name] = have
			}
		}
		p.place(prior, hosts)
	}
	if at < len(nodes) {
		return nil, sdk.AttributeError("sites", fmt.Sprintf("The sites give %d nodes, and the composition has %d", at, len(nodes)), "Ask a site for more.")
	}
	return parts, nil
}

// sitesOf are the parts, with how many nodes each is to have where that is said.
func (t *testbed) sitesOf(ctx context.Context, w Where) ([]part, error) {
	switch {
	case w.Machines != "":
		listed, err := readMachines(t.folders.Project, w.Machines)
		if err != nil {
			return nil, err
		}
		site := siteOf(listed[0])
		for _, host := range listed {
			if siteOf(host) != site {
				return nil, sdk.AttributeError("machines", "The machines are of several sites", fmt.Sprintf("%s and %s, for instance. Give each site a flavour block of its own.", listed[0], host))
			}
		}
		id := w.JobID
		if id == 0 {
			if id, err = t.jobOf(ctx, site, listed); err != nil {
				return nil, err
			}
		}
		return []part{{site: site, existing: id, listed: listed, reserve: int64(len(listed)) - w.Spares}}, nil
	case len(w.Sites) > 0 && w.Site != "":
		return nil, sdk.AttributeError("sites", "Both site and sites say where", "Keep one of them.")
	case len(w.Sites) > 0:
		var parts []part
		for _, site := range slices.Sorted(maps.Keys(w.Sites)) {
			if w.Sites[site] < 1 {
				return nil, sdk.AttributeError("sites", fmt.Sprintf("%s is to give %d nodes", site, w.Sites[site]), "Give a number from 1 on.")
			}
			parts = append(parts, part{site: site, reserve: w.Sites[site]})
		}
		return parts, nil
	case w.Site == "":
		return nil, sdk.AttributeError("site", "It is not said at which site", `Name one, such as site = "grenoble", or several as sites.`)
	}
	return []part{{site: w.Site, existing: w.JobID, reserve: w.Nodes}}, nil
}

// nameNodes lists the nodes of all roles, in order. The role that takes the
// rest gets what is left of the total.
func nameNodes(roles []plugins.Role, total int64, w Where) ([]sdk.LaidOut, error) {
	fixed := 0
	for _, role := range roles {
		if !role.Rest {
			fixed += len(role.Nodes)
		}
	}
	var nodes []sdk.LaidOut
	for i := range roles {
		role := &roles[i]
		names := role.Nodes
		if role.Rest {
			left := int(total) - fixed
			if total == 0 {
				left = role.Min
			}
			if left < role.Min {
				return nil, sdk.Error(fmt.Sprintf("Too few nodes are left for the role %s", role.Name),
					fmt.Sprintf("It is to have at least %d, and of %d nodes %d are left. Reserve more (nodes), or lower its min.", role.Min, total, max(left, 0)))
			}
			names = plugins.NodeNames(role.Name, left)
		}
		for index, name := range names {
			nodes = append(nodes, sdk.LaidOut{Name: name, Role: role, Index: index})
		}
	}
	if total > 0 && len(nodes) > int(total) {
		return nil, sdk.AttributeError("nodes", fmt.Sprintf("%d nodes are too few for the composition", total), fmt.Sprintf("It has %d. Ask for as many, or leave the number out.", len(nodes)))
	}
	if len(nodes) == 0 {
		return nil, sdk.Error("The composition has no nodes", "Give its roles some: roles = { server = 1 }.")
	}
	return nodes, nil
}

// place decides which host each node is, where the job's are known: what a node
// has it keeps, unless that is of no use any more; the others take what is free.
func (p *part) place(prior map[string]Node, hosts []string) {
	p.hosts = map[string]string{}
	if len(hosts) == 0 {
		return
	}
	taken := map[string]bool{}
	for _, n := range p.nodes {
		have := prior[n.Name]
		if have.Host != "" && have.Site == p.site && (have.Trouble == "" || have.Trouble == foreignTrouble) && slices.Contains(hosts, have.Host) {
			p.hosts[n.Name], taken[have.Host] = have.Host, true
		}
	}
	dead := map[string]bool{}
	for _, have := range prior {
		dead[have.Host] = have.Trouble != "" && have.Trouble != foreignTrouble
	}
	free := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return taken[h] || dead[h] })
	last := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return taken[h] || !dead[h] })
	free = append(free, last...)
	for _, n := range p.nodes {
		if p.hosts[n.Name] == "" && len(free) > 0 {
			p.hosts[n.Name], free = free[0], free[1:]
		}
	}
}

// addJob adds the job that gives the nodes.
func (p *part) addJob(w Where, out *sdk.Expansion) { sdk.Add(out, "g5k_job", p.site, p.job(w)) }

func (p *part) job(w Where) Job {
	job := Job{Site: p.site, Walltime: w.Walltime}
	if p.existing != 0 {
		job.Existing, job.DeleteExisting = p.existing, w.DeleteJob
		return job
	}
	job.Nodes, job.Cluster, job.Queue, job.Types, job.Properties = p.reserve, w.Cluster, w.Queue, w.Types, w.Properties
	job.Reservation, job.StartAfter, job.Project = w.Reservation, w.StartAfter, w.Project
	return job
}

// serves reports whether a job can become the one that is wanted: otherwise
// another is made, with nodes that nobody knows yet.
func (w *Job) serves(want Job) bool {
	have, _ := parseWalltime(w.Walltime)
	walltime, _ := parseWalltime(want.Walltime)
	return w.Nodes == want.Nodes && w.Cluster == want.Cluster && w.Queue == want.Queue && slices.Equal(w.Types, want.Types) &&
		w.Properties == want.Properties && w.Reservation == want.Reservation && w.StartAfter == want.StartAfter &&
		w.Project == want.Project && w.Existing == want.Existing && (want.Existing != 0 || have <= walltime)
}

// node is a node, but for how it is started.
func (p *part) node(i int, n sdk.LaidOut) Node {
	return Node{
		Name: n.Name, Site: p.site, System: n.Role.System, Index: int64(i), Of: int64(len(p.nodes)),
		Host: p.hosts[n.Name], Hosts: p.listed,
	}
}

func (p *part) isNode(n sdk.LaidOut, out *sdk.Expansion) {
	out.Node(plugins.ExpandedNode{
		Name: n.Name, Role: n.Role.Name, Index: n.Index, System: n.Role.System,
		Resource: plugins.ResourceKey{Type: "g5k_node", Key: n.Name}, Address: "address",
	})
}

// readMachines reads a file that names machines, one a line. OAR's names each
// as often as it has cores.
func readMachines(project, name string) ([]string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(project, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, sdk.AttributeError("machines", "The list of machines cannot be read", err.Error()+".")
	}
	defer f.Close()
	var hosts []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		host := strings.TrimSpace(lines.Text())
		if host == "" || strings.HasPrefix(host, "#") {
			continue
		}
		if siteOf(host) == "" {
			return nil, sdk.AttributeError("machines", fmt.Sprintf("%q is not a node of Grid'5000", host), "Write whole names, such as dahu-1.grenoble.grid5000.fr, one a line.")
		}
		hosts = append(hosts, host)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		return nil, sdk.AttributeError("machines", "The list of machines is empty", name+" names none.")
	}
	return nodesOf(hosts), nil
}

// siteOf is the site of a node, by its name.
func siteOf(host string) string {
	parts := strings.Split(host, ".")
	if len(parts) != 4 || parts[2] != "grid5000" || parts[3] != "fr" {
		return ""
	}
	return parts[1]
}

// jobOf finds the job of the user's that has some nodes.
func (t *testbed) jobOf(ctx context.Context, site string, hosts []string) (int64, error) {
	list, err := t.client.Jobs(ctx, site)
	if err != nil {
		return 0, explain(err, "list your jobs at "+site)
	}
	for _, job := range list {
		if !job.Running() {
			continue
		}
		seen, err := t.client.Job(ctx, site, job.UID)
		if err != nil {
			return 0, explain(err, fmt.Sprintf("read job %d at %s", job.UID, site))
		}
		if !slices.ContainsFunc(hosts, func(h string) bool { return !slices.Contains(seen.AssignedNodes, h) }) {
			return job.UID, nil
		}
	}
	return 0, sdk.AttributeError("machines", "No job of yours has these machines", fmt.Sprintf("At %s nxc found none that runs with all of %s. Name it as job_id.", site, short(hosts)))
}
