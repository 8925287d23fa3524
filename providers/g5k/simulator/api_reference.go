package simulator

import (
	"net/http"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
)

// referenceVersion is the commit that the reference data claims to be.
const referenceVersion = "1a2b3c4d5e6f708192a3b4c5d6e7f80910213243"

// reference answers with reference data: it says its version, and may be kept.
func (r *request) reference(o object, collection bool, links ...object) error {
	r.w.Header().Set("Cache-Control", "max-age=60, public, must-revalidate, proxy-revalidate, s-maxage=60")
	o["version"] = referenceVersion
	o["links"] = links
	kind := itemType
	if collection {
		kind = collectionType
	}
	return r.answer(http.StatusOK, kind, o)
}

func (s *Simulator) getRoot(r *request) error {
	return r.reference(object{"type": "grid", "uid": "grid5000"}, false,
		r.link("self", itemType), r.link("sites", collectionType, "sites"), r.link("versions", collectionType, "versions"))
}

func (s *Simulator) getAccesses(r *request) error {
	return r.reference(object{"all": object{}}, false, r.link("self", itemType, "accesses"))
}

func (s *Simulator) getRefrepo(r *request) error {
	return r.reference(object{"sites": s.names}, false, r.link("self", itemType, "refrepo"))
}

func (s *Simulator) version(r *request) object {
	date := s.options.Start.UTC().Format(http.TimeFormat)
	return object{
		"uid": referenceVersion, "date": date, "message": "Reference data of the simulator", "author": "simulator", "type": "version",
		"links": []object{r.link("self", itemType, "versions", referenceVersion), r.link("parent", itemType)},
	}
}

func (s *Simulator) listVersions(r *request) error {
	return r.collection([]any{s.version(r)}, r.link("self", collectionType, "versions"), r.link("parent", itemType))
}

func (s *Simulator) latestVersion(r *request) error {
	http.Redirect(r.w, r.Request, strings.TrimSuffix(r.URL.Path, "latest")+referenceVersion, http.StatusTemporaryRedirect)
	return nil
}

func (s *Simulator) getVersion(r *request) error {
	if v := r.PathValue("version"); v != referenceVersion {
		return notFound("Cannot find version %s", v)
	}
	return r.item(http.StatusOK, s.version(r))
}

func (r *request) siteLinks(name string) []object {
	links := []object{r.link("self", itemType, "sites", name), r.link("parent", itemType)}
	for _, rel := range []string{"clusters", "servers", "pdus", "network_equipments", "jobs", "environments", "deployments", "vlans", "metrics", "storage"} {
		links = append(links, r.link(rel, collectionType, "sites", name, rel))
	}
	return append(links, r.link("status", itemType, "sites", name, "status"))
}

func (s *Simulator) listSites(r *request) error {
	items := []any{}
	for _, name := range s.names {
		o := s.sites[name].Describe()
		o["links"] = r.siteLinks(name)
		items = append(items, o)
	}
	return r.reference(object{"total": len(items), "offset": 0, "items": items}, true, r.link("self", collectionType, "sites"), r.link("parent", itemType))
}

func (s *Simulator) getSite(r *request, t *site) error {
	return r.reference(t.Describe(), false, r.siteLinks(t.Name)...)
}

func (r *request) clusterLinks(site, name string) []object {
	return []object{
		r.link("self", itemType, "sites", site, "clusters", name), r.link("parent", itemType, "sites", site),
		r.link("nodes", collectionType, "sites", site, "clusters", name, "nodes"),
		r.link("status", itemType, "sites", site, "clusters", name, "status"),
	}
}

// listClusters leaves out the clusters of queues that were not asked for,
// which are those for production unless queues=all.
func (s *Simulator) listClusters(r *request, t *site) error {
	queues := []string{"admin", "default"}
	if q := r.FormValue("queues"); q == "all" {
		queues = append(queues, "production")
	} else if q != "" {
		queues = strings.Split(q, ",")
	}
	items := []any{}
	for _, c := range t.Clusters {
		if q := c.Queues(); !slices.Contains(queues, q[len(q)-1]) {
			continue
		}
		o := c.Describe()
		o["links"] = r.clusterLinks(t.Name, c.Name)
		items = append(items, o)
	}
	return r.reference(object{"total": len(items), "offset": 0, "items": items}, true,
		r.link("self", collectionType, "sites", t.Name, "clusters"), r.link("parent", itemType, "sites", t.Name))
}

// findCluster finds the cluster that a path names.
func (r *request) findCluster(t *site) (platform.Cluster, error) {
	name := r.PathValue("cluster")
	c, ok := t.cluster(name)
	if !ok {
		return c, notFound("Cannot find resource /sites/%s/clusters/%s", t.Name, name)
	}
	return c, nil
}

func (s *Simulator) getCluster(r *request, t *site) error {
	c, err := r.findCluster(t)
	if err != nil {
		return err
	}
	return r.reference(c.Describe(), false, r.clusterLinks(t.Name, c.Name)...)
}

func (r *request) nodeLinks(site, cluster, name string) []object {
	return []object{
		r.link("self", itemType, "sites", site, "clusters", cluster, "nodes", name),
		r.link("parent", itemType, "sites", site, "clusters", cluster),
	}
}

func (s *Simulator) listNodes(r *request, t *site) error {
	c, err := r.findCluster(t)
	if err != nil {
		return err
	}
	items := []any{}
	for i := 1; i <= c.Nodes; i++ {
		o := c.DescribeNode(t.Site, i)
		o["links"] = r.nodeLinks(t.Name, c.Name, o["uid"].(string))
		items = append(items, o)
	}
	return r.reference(object{"total": len(items), "offset": 0, "items": items}, true,
		r.link("self", collectionType, "sites", t.Name, "clusters", c.Name, "nodes"), r.link("parent", itemType, "sites", t.Name, "clusters", c.Name))
}

func (s *Simulator) getNode(r *request, t *site) error {
	c, err := r.findCluster(t)
	if err != nil {
		return err
	}
	name := r.PathValue("node")
	of, i, ok := t.node(name + "." + t.Name + "." + platform.Domain)
	if !ok || of.Name != c.Name {
		return notFound("Cannot find resource /sites/%s/clusters/%s/nodes/%s", t.Name, c.Name, name)
	}
	return r.reference(c.DescribeNode(t.Site, i), false, r.nodeLinks(t.Name, c.Name, name)...)
}

// listOthers lists what a site has besides nodes, of which nothing is
// simulated.
func (s *Simulator) listOthers(r *request, t *site) error {
	kind := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	return r.reference(object{"total": 0, "offset": 0, "items": []any{}}, true,
		r.link("self", collectionType, "sites", t.Name, kind), r.link("parent", itemType, "sites", t.Name))
}

func (s *Simulator) getOther(r *request, _ *site) error {
	_, path, _ := strings.Cut(r.URL.Path[1:], "/")
	return notFound("Cannot find resource /%s", path)
}
