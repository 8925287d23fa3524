package simulator

import (
	"fmt"
	"strings"
	"sync"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
)

// site is a site with what runs there.
type site struct {
	platform.Site
	sim *Simulator
	oar *oar.Server

	mu          sync.Mutex
	owners      map[string]oar.Job // nodes of running jobs
	deployments []*deployment      // in the order in which they were made
	vlans       map[string]int     // nodes that are in one; the others are in none
	dhcp        map[int]bool       // vlans whose DHCP server was stopped are false
	firewall    map[int][]opening  // by job
	storage     map[string][]volume
	down        bool
}

func (s *Simulator) newSite(p platform.Site, firstJob int) *site {
	t := &site{
		Site: p, sim: s, owners: map[string]oar.Job{}, vlans: map[string]int{}, dhcp: map[int]bool{},
		firewall: map[int][]opening{}, storage: map[string][]volume{},
	}
	t.oar = oar.New(oar.Config{
		Site: p.Name, Clock: s.clock, Resources: p.Resources(), FirstID: firstJob,
		Hooks: oar.Hooks{Started: t.started, Ended: t.ended},
	})
	return t
}

// started gives a job's nodes to its user.
func (t *site) started(j oar.Job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, node := range j.Nodes {
		t.owners[node] = j
		if t.sim.options.Nodes == Machines { // nodes are up when they are given
			h := t.sim.host(node)
			t.sim.work.Go(func() {
				if _, err := h.make(t.sim.ctx); err != nil {
					t.sim.log.Warn("a node does not start", "node", h.name, "error", err)
				}
			})
		}
	}
}

// ended takes a job's nodes back: what was deployed or booted on them is gone,
// they are out of vlans, and nobody who was logged in is any more.
func (t *site) ended(j oar.Job) {
	t.mu.Lock()
	for _, node := range j.Nodes {
		if t.owners[node].ID == j.ID {
			delete(t.owners, node)
		}
		delete(t.vlans, node)
	}
	delete(t.firewall, j.ID)
	for _, d := range t.deployments {
		d.jobEnded(j.ID)
	}
	t.mu.Unlock()
	t.sim.work.Go(func() {
		for _, node := range j.Nodes {
			t.sim.restore(node)
		}
	})
}

// owner is the job that has a node now.
func (t *site) owner(node string) (oar.Job, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	j, ok := t.owners[node]
	return j, ok
}

// isDown reports whether the site is off the network.
func (t *site) isDown() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.down
}

// cluster finds a cluster of the site.
func (t *site) cluster(name string) (platform.Cluster, bool) {
	for _, c := range t.Clusters {
		if c.Name == name {
			return c, true
		}
	}
	return platform.Cluster{}, false
}

// node finds a node of the site by its full name.
func (t *site) node(full string) (platform.Cluster, int, bool) {
	short, ok := strings.CutSuffix(full, "."+t.Name+"."+platform.Domain)
	if !ok {
		return platform.Cluster{}, 0, false
	}
	name, number, _ := strings.Cut(short, "-")
	c, ok := t.cluster(name)
	var i int
	if _, err := fmt.Sscanf(number, "%d", &i); err != nil || !ok || i < 1 || i > c.Nodes || c.Node(i) != full {
		return platform.Cluster{}, 0, false
	}
	return c, i, true
}

// siteOf finds the site that a node's or a frontend's full name is of.
func (s *Simulator) siteOf(full string) *site {
	parts := strings.Split(full, ".")
	if len(parts) != 4 || parts[2]+"."+parts[3] != platform.Domain {
		return nil
	}
	return s.sites[parts[1]]
}
