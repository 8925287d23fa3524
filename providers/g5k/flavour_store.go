package g5k

import (
	"context"
	"fmt"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// NFSStoreConfig is the body of a flavour block of g5k-nfs-store.
type NFSStoreConfig struct {
	Where
	Folder     string `nxc:"folder,optional,default=.nxc/nix" doc:"Folder below your home at the site that nxc has to itself: what the systems need is copied into the folder store in it, which the nodes mount."`
	NFSStore   string `nxc:"nfs_store,optional" doc:"Store that the nodes mount instead, SERVER:/PATH, which holds what they need already: nothing is copied there, and nothing removed."`
	NFSOptions string `nxc:"nfs_options,optional" doc:"Further options of the mount, such as vers=4.2."`
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
	return t.expandJumping(ctx, r.ExpandRequest, c.Where, out, func(p part) (j jump) {
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
