package g5k

import (
	"context"
	"fmt"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// SiteData is what the reference says of a site.
type SiteData struct {
	Site       string   `nxc:"site,required" doc:"Site, such as grenoble."`
	Name       string   `nxc:"name,computed" doc:"Its name, for people."`
	Location   string   `nxc:"location,computed" doc:"Where it is."`
	Clusters   []string `nxc:"clusters,computed" doc:"Its clusters, sorted."`
	Production bool     `nxc:"production,computed" doc:"Whether it has a production queue."`
}

func (t *testbed) readSite(ctx context.Context, want *SiteData) error {
	if err := t.checkSite(ctx, "site", want.Site); err != nil {
		return err
	}
	site, err := t.client.Site(ctx, want.Site)
	if err != nil {
		return explain(err, "read site "+want.Site)
	}
	clusters, err := t.client.Clusters(ctx, want.Site)
	if err != nil {
		return explain(err, fmt.Sprintf("ask %s for its clusters", want.Site))
	}
	want.Name, want.Location, want.Production = site.Name, site.Location, site.Production
	want.Clusters = []string{}
	for _, c := range clusters {
		want.Clusters = append(want.Clusters, c.UID)
	}
	return nil
}

// ClusterData is what the reference says of a cluster.
type ClusterData struct {
	Site    string   `nxc:"site,required" doc:"Site, such as grenoble."`
	Cluster string   `nxc:"cluster,required" doc:"Cluster, such as dahu."`
	Model   string   `nxc:"model,computed" doc:"Model of its machines."`
	Queues  []string `nxc:"queues,computed" doc:"Queues in which it can be had."`
	Kavlan  bool     `nxc:"kavlan,computed" doc:"Whether its nodes can be moved into other networks."`
	Exotic  bool     `nxc:"exotic,computed" doc:"Whether a job needs the type exotic for it."`
	Nodes   int64    `nxc:"nodes,computed" doc:"How many nodes it has."`
	Cores   int64    `nxc:"cores,computed" doc:"Cores of each node."`
	Memory  int64    `nxc:"memory,computed" doc:"Memory of each node, in bytes."`
}

func (t *testbed) readCluster(ctx context.Context, want *ClusterData) error {
	if err := t.checkSite(ctx, "site", want.Site); err != nil {
		return err
	}
	if err := t.checkCluster(ctx, "cluster", want.Site, want.Cluster); err != nil {
		return err
	}
	c, err := t.client.Cluster(ctx, want.Site, want.Cluster)
	if err != nil {
		return explain(err, "read cluster "+want.Cluster)
	}
	nodes, err := t.client.Nodes(ctx, want.Site, want.Cluster)
	if err != nil {
		return explain(err, "read the nodes of "+want.Cluster)
	}
	want.Model, want.Queues, want.Kavlan, want.Exotic, want.Nodes = c.Model, c.Queues, c.Kavlan, c.Exotic, int64(len(nodes))
	if len(nodes) > 0 {
		want.Cores, want.Memory = nodes[0].Architecture.Cores, nodes[0].MainMemory.Size
	}
	return nil
}

// NodesData is what the reference says of a cluster's nodes.
type NodesData struct {
	Site    string     `nxc:"site,required" doc:"Site, such as grenoble."`
	Cluster string     `nxc:"cluster,optional" doc:"Cluster; by default all of the site's."`
	Names   []string   `nxc:"names,computed" doc:"Their names, in natural order."`
	Nodes   []NodeData `nxc:"nodes,computed" doc:"What each of them is."`
}

// NodeData is one node.
type NodeData struct {
	Name         string `nxc:"name" doc:"Name, such as dahu-1.grenoble.grid5000.fr."`
	Cluster      string `nxc:"cluster" doc:"Cluster."`
	Cores        int64  `nxc:"cores" doc:"Cores."`
	Threads      int64  `nxc:"threads" doc:"Threads of all cores."`
	Memory       int64  `nxc:"memory" doc:"Memory, in bytes."`
	Processor    string `nxc:"processor" doc:"Processor."`
	Architecture string `nxc:"architecture" doc:"Architecture, such as x86_64."`
}

func (t *testbed) readNodes(ctx context.Context, want *NodesData) error {
	if err := t.checkSite(ctx, "site", want.Site); err != nil {
		return err
	}
	clusters := []string{want.Cluster}
	if want.Cluster == "" {
		var site SiteData
		site.Site = want.Site
		if err := t.readSite(ctx, &site); err != nil {
			return err
		}
		clusters = site.Clusters
	} else if err := t.checkCluster(ctx, "cluster", want.Site, want.Cluster); err != nil {
		return err
	}
	want.Names, want.Nodes = []string{}, []NodeData{}
	for _, cluster := range clusters {
		nodes, err := t.client.Nodes(ctx, want.Site, cluster)
		if err != nil {
			return explain(err, "read the nodes of "+cluster)
		}
		for _, n := range nodes {
			name := fmt.Sprintf("%s.%s.grid5000.fr", n.UID, want.Site)
			processor := n.Processor.Model
			if n.Processor.Version != "" {
				processor += " " + n.Processor.Version
			}
			want.Names = append(want.Names, name)
			want.Nodes = append(want.Nodes, NodeData{
				Name: name, Cluster: cluster, Cores: n.Architecture.Cores, Threads: n.Architecture.Threads,
				Memory: n.MainMemory.Size, Processor: processor, Architecture: n.Architecture.Platform,
			})
		}
	}
	return nil
}

// StatusData is what nodes do now, and when some of them are free.
type StatusData struct {
	Site     string   `nxc:"site,required" doc:"Site, such as grenoble."`
	Cluster  string   `nxc:"cluster,optional" doc:"Cluster; by default all of the site's."`
	Together int64    `nxc:"together,optional,default=1" doc:"How many nodes are to be free together."`
	Walltime string   `nxc:"walltime,optional,default=1h" doc:"For how long."`
	Total    int64    `nxc:"total,computed" doc:"How many nodes there are."`
	Usable   int64    `nxc:"usable,computed" doc:"How many are not down or suspected."`
	Free     []string `nxc:"free,computed" doc:"Nodes that are free now, for the walltime, in natural order."`
	FreeAt   string   `nxc:"free_at,computed" doc:"When as many as are wanted are free together, as far as is reserved now, in UTC; empty when that cannot be told."`
}

func (t *testbed) readStatus(ctx context.Context, want *StatusData) error {
	if err := t.checkSite(ctx, "site", want.Site); err != nil {
		return err
	}
	if want.Cluster != "" {
		if err := t.checkCluster(ctx, "cluster", want.Site, want.Cluster); err != nil {
			return err
		}
	}
	walltime, err := parseWalltime(want.Walltime)
	if err != nil {
		return err
	}
	if want.Together < 1 {
		return sdk.AttributeError("together", fmt.Sprintf("%d nodes cannot be wanted", want.Together), "Give a number from 1 on.")
	}
	status, err := t.client.Status(ctx, want.Site, want.Cluster)
	if err != nil {
		return explain(err, "read the status of "+want.Site)
	}
	now := nowOf(status)
	want.Total, want.Usable = int64(len(status.Nodes)), int64(usable(status))
	want.Free = freeNow(status, now, now.Add(walltime))
	if w := soonest(status, int(want.Together), now, walltime); !w.at.IsZero() {
		want.FreeAt = stamp(w.at.Unix())
	}
	return nil
}
