package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// getStatus tells what a site's or a cluster's resources do now, and what
// jobs will have them.
func (s *Simulator) getStatus(r *request, t *site) error {
	clusters := []string{}
	for _, c := range t.Clusters {
		clusters = append(clusters, c.Name)
	}
	path := []string{"sites", t.Name}
	if r.PathValue("cluster") != "" {
		c, err := r.findCluster(t)
		if err != nil {
			return err
		}
		clusters, path = []string{c.Name}, append(path, "clusters", c.Name)
	}
	o := object{"uid": s.clock.Now().Unix(), "links": []object{r.link("self", itemType, append(path, "status")...), r.link("parent", itemType, path...)}}
	jobs := slices.DeleteFunc(t.oar.Jobs(), func(j oar.Job) bool {
		return j.State.Over() || r.FormValue("waiting") == "no" && j.State == oar.Waiting
	})
	slices.Reverse(jobs)
	kinds := []string{"nodes", "disks", "vlans", "subnets"}
	if r.PathValue("cluster") != "" {
		kinds = kinds[:2]
	}
	for _, kind := range kinds {
		if r.FormValue(kind) != "no" {
			o[kind] = tellKind(r, t, kind, clusters, jobs)
		}
	}
	return r.item(http.StatusOK, o)
}

// tellKind tells the status of the resources of one kind.
func tellKind(r *request, t *site, kind string, clusters []string, jobs []oar.Job) object {
	all := object{}
	for _, res := range t.oar.Resources() {
		cluster, ofCluster := res.Properties["cluster"]
		address := r.FormValue("network_address")
		if kindOf(res) != kind || ofCluster && (!slices.Contains(clusters, cluster) || address != "" && res.Properties["host"] != address) {
			continue
		}
		all[res.Name] = tellResource(r, t, res, jobs)
	}
	return all
}

func kindOf(r oar.Resource) string {
	switch r.Kind {
	case "default":
		return "nodes"
	case "disk", "subnet":
		return r.Kind + "s"
	}
	return "vlans"
}

func tellResource(r *request, t *site, res oar.Resource, jobs []oar.Job) object {
	o := object{"hard": strings.ToLower(string(res.State)), "soft": "free"}
	reservations := []object{}
	busy, besteffort := 0, 0
	for _, j := range jobs {
		n := has(j, res)
		if n == 0 {
			continue
		}
		if j.State == oar.Running {
			busy += n
			if j.Queue == "besteffort" {
				besteffort += n
			}
		}
		reservations = append(reservations, reservation(r, t, j))
	}
	if r.FormValue("job_details") != "no" {
		o["reservations"] = reservations
	}
	switch res.Kind {
	case "default":
		tellNode(o, res, busy, besteffort)
		return o
	case "disk":
		o["diskpath"] = res.Properties["diskpath"]
	case "subnet":
	default:
		o["type"] = res.Kind
	}
	if busy > 0 {
		o["soft"] = "busy"
	}
	return o
}

// tellNode adds what the status has of nodes alone: how many cores do what.
func tellNode(o object, res oar.Resource, busy, besteffort int) {
	if res.State == oar.Dead {
		o["soft"], o["free_slots"], o["freeable_slots"], o["busy_slots"] = "unknown", 0, 0, 0
		return
	}
	switch {
	case busy == 0:
	case busy == res.Slots:
		o["soft"] = "busy"
	case busy > res.Slots/2:
		o["soft"] = "busy_free"
	default:
		o["soft"] = "free_busy"
	}
	if besteffort > 0 {
		o["soft"] = o["soft"].(string) + "_besteffort"
	}
	o["free_slots"], o["freeable_slots"], o["busy_slots"] = res.Slots-busy, besteffort, busy-besteffort
}

// has is how many slots of a resource a job has, or will have.
func has(j oar.Job, res oar.Resource) int {
	names := map[string][]string{"default": j.Cores, "disk": j.Disks, "subnet": j.Subnets}
	list, ok := names[res.Kind]
	if !ok {
		list = j.Vlans
	}
	n := 0
	for _, name := range list {
		if name == res.Name || res.Kind == "default" && strings.HasPrefix(name, res.Name+"/") {
			n++
		}
	}
	return n
}

// reservation tells a job as the status does: without its events.
func reservation(r *request, t *site, j oar.Job) object {
	o := tellJob(r, t, j, false)
	delete(o, "events")
	delete(o, "links")
	return o
}

func (s *Simulator) listEnvironments(r *request, t *site) error {
	items := []any{}
	for _, e := range s.environments() {
		if name := r.FormValue("name"); name != "" && name != e.Name {
			continue
		}
		if user := r.FormValue("user"); user != "" && user != e.User {
			continue
		}
		if arch := r.FormValue("arch"); arch != "" && arch != e.Arch {
			continue
		}
		o := e.Describe()
		o["links"] = r.environmentLinks(t, e.UID())
		items = append(items, o)
	}
	return r.collection(items, r.link("self", collectionType, "sites", t.Name, "environments"), r.link("parent", itemType, "sites", t.Name))
}

func (r *request) environmentLinks(t *site, uid string) []object {
	return []object{
		r.link("self", itemType, "sites", t.Name, "environments", uid), r.link("parent", collectionType, "sites", t.Name, "environments"),
	}
}

func (s *Simulator) getEnvironment(r *request, t *site) error {
	r.cached()
	for _, e := range s.environments() {
		if e.UID() == r.PathValue("environment") {
			o := e.Describe()
			o["links"] = r.environmentLinks(t, e.UID())
			return r.item(http.StatusOK, o)
		}
	}
	return notFound("Cannot find environment %s", r.PathValue("environment"))
}

// vlanID reads a vlan's number of a path; 0 for the one where nodes are at first.
func (r *request) vlanID(t *site) (int, error) {
	if r.PathValue("vlan") == vlanOrDefault(0) {
		return 0, nil
	}
	id, err := strconv.Atoi(r.PathValue("vlan"))
	for _, v := range t.Vlans() {
		if err == nil && v.ID == id {
			return id, nil
		}
	}
	return 0, notFound("Vlan %s does not exist", r.PathValue("vlan"))
}
