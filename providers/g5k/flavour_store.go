package g5k

import (
	"context"
	"fmt"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// NFSStoreConfig is the body of a flavour block of g5k-nfs-store.
type NFSStoreConfig struct {
	Site        string           `nxc:"site,optional" doc:"Site, such as grenoble. Either this, or sites."`
	Sites       map[string]int64 `nxc:"sites,optional" doc:"Several sites, each with how many nodes it gives: { lyon = 2, nancy = 1 }. Nodes take them in the order of the sites' names."`
	Cluster     string           `nxc:"cluster,optional" doc:"Cluster that all nodes are of."`
	Nodes       int64            `nxc:"nodes,optional" doc:"How many nodes to reserve, where that is not the number of the composition's: for a role that takes the rest."`
	Spares      int64            `nxc:"spares,optional" doc:"How many nodes to reserve beyond those that are used, to take the place of dead ones; at each site."`
	Walltime    string           `nxc:"walltime,optional,default=1h" doc:"For how long, as 1h30m or 1:30:00."`
	Queue       string           `nxc:"queue,optional" doc:"Queue of OAR's: default, production, besteffort."`
	Types       []string         `nxc:"types,optional" doc:"Further types of the job, such as exotic or night."`
	Properties  string           `nxc:"properties,optional" doc:"What the nodes must be like, in OAR's SQL."`
	Reservation string           `nxc:"reservation,optional" doc:"Start at this date, in the time of Paris: 2026-12-01 08:00."`
	StartAfter  string           `nxc:"start_after,optional" doc:"Do not start before this date."`
	Project     string           `nxc:"project,optional" doc:"Project on whose account it is."`
	JobID       int64            `nxc:"job_id,optional" doc:"Number of a job that is there already; OAR_JOB_ID takes its place where nothing is said. It is left alone in the end."`
	DeleteJob   bool             `nxc:"delete_job,optional" doc:"Delete that job in the end."`
	Machines    string           `nxc:"machines,optional" doc:"File that lists the nodes to take, one a line, of a job that runs, such as OAR's own ($OAR_NODEFILE)."`
	Folder      string           `nxc:"folder,optional,default=.nxc/nix" doc:"Folder below your home at the site that nxc has to itself: what the systems need is copied into the folder store in it, which the nodes mount."`
	NFSStore    string           `nxc:"nfs_store,optional" doc:"Store that the nodes mount instead, SERVER:/PATH, which holds what they need already: nothing is copied there, and nothing removed."`
	NFSOptions  string           `nxc:"nfs_options,optional" doc:"Further options of the mount, such as vers=4.2."`
}

func (c NFSStoreConfig) where() Where {
	return Where{c.Site, c.Sites, c.Cluster, c.Nodes, c.Spares, c.Walltime, c.Queue, c.Types, c.Properties, c.Reservation, c.StartAfter, c.Project, c.JobID, c.DeleteJob, c.Machines}
}

// expandNFSStore lays a composition out as expandRamdisk does, with a store at
// each site beside it.
func (t *testbed) expandNFSStore(ctx context.Context, r sdk.ExpandRequest[NFSStoreConfig], out *sdk.Expansion) error {
	c := r.Flavour
	if d := checkStoreFolder("folder", c.Folder); len(d) > 0 {
		return d
	}
	if server, folder, ok := strings.Cut(c.NFSStore, ":"); c.NFSStore != "" && (!ok || server == "" || !strings.HasPrefix(folder, "/") || strings.ContainsAny(c.NFSStore, " \t\n\"")) {
		return sdk.AttributeError("nfs_store", fmt.Sprintf("%q is not the folder of a server", c.NFSStore), "Write it as nfs.grenoble.grid5000.fr:/export/home/LOGIN/store.")
	}
	if strings.ContainsAny(c.NFSOptions, " \t\n\"") {
		return sdk.AttributeError("nfs_options", "Options of a mount hold no spaces", "Write them as vers=4.2,rsize=65536.")
	}
	return t.expandJumping(ctx, r.ExpandRequest, c.where(), out, func(p part) (j jump) {
		store := c.NFSStore
		if store == "" {
			store, j.store = nfsStore(p.site, t.client.User(), c.Folder), p.site
			sdk.Add(out, "g5k_store", p.site, Store{Site: p.site, Closure: r.Artifacts["closure"], Folder: c.Folder})
		}
		j.params = []string{"nfs_store=" + store}
		if c.NFSOptions != "" {
			j.params = append(j.params, "nfs_options="+c.NFSOptions)
		}
		return j
	})
}
