// Package g5k runs compositions on the physical nodes of Grid'5000.
//
// It offers what the testbed's engines offer as resources: jobs of OAR's,
// deployments of Kadeploy's, images in a person's public folder, networks of
// KaVLAN's, openings in the firewall, access to storage; and as data what the
// reference and the status of a site say.
//
// What it makes it finds again: a job carries the deployment, the address and
// the attempt that made it in its name and its command. It never sends a
// request twice of which it does not know what became of the first.
package g5k

import (
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/agent"
)

// Version is the provider's version.
const Version = "0.1.0"

// staleAnswers is how old a listing of the interface's may be: so long after a
// crash a job may still be missing in it.
const staleAnswers = time.Minute

// Provider returns the provider. Its handlers share one testbed, to which the
// configuration leads.
func Provider() sdk.Provider { return provider(&testbed{}, staleAnswers) }

func provider(t *testbed, stale time.Duration) sdk.Provider {
	short := plugins.Timeouts{Create: 10 * time.Minute, Update: 10 * time.Minute, Delete: 10 * time.Minute}
	return sdk.Provider{
		Name:      "g5k",
		Version:   Version,
		Configure: sdk.Configure(t.configure),
		Resources: []sdk.Resource{
			sdk.Managed[Job]("g5k_job", jobs{t}, sdk.Options{
				// A job waits for its turn as long as that takes.
				Timeouts: plugins.Timeouts{Create: plugins.NoTimeout, Update: plugins.NoTimeout, Delete: 10 * time.Minute}, FindWindow: stale,
				Doc: "A job of OAR's: nodes of a site, for a time.",
			}),
			sdk.Managed[Deployment]("g5k_deployment", deployments{t}, sdk.Options{
				Timeouts: plugins.Timeouts{Create: 2 * time.Hour, Update: time.Minute, Delete: 10 * time.Minute},
				Doc:      "An environment that Kadeploy puts on nodes of a job.",
			}),
			sdk.Managed[Image]("g5k_image", images{t}, sdk.Options{
				Timeouts: plugins.Timeouts{Create: 2 * time.Hour, Update: 10 * time.Minute, Delete: 10 * time.Minute},
				Doc:      "An image in your public folder at a site, and its description for Kadeploy.",
			}),
			sdk.Managed[Vlan]("g5k_vlan", vlans{t}, sdk.Options{
				Timeouts: short,
				Doc:      "A network of a job's, apart from others, and the nodes in it.",
			}),
			sdk.Managed[Firewall]("g5k_firewall", firewalls{t}, sdk.Options{
				Timeouts: short,
				Doc:      "What of a job's nodes can be reached from outside, over IPv6.",
			}),
			sdk.Managed[StorageAccess]("g5k_storage_access", storageAccesses{t}, sdk.Options{
				Timeouts: short,
				Doc:      "An address that may mount your home for as long as a job lasts.",
			}),
			sdk.Managed[Store]("g5k_store", stores{t}, sdk.Options{
				Timeouts: plugins.Timeouts{Create: 2 * time.Hour, Update: 2 * time.Hour, Delete: 20 * time.Minute},
				Doc:      "Store paths in a folder of your home at a site, which nodes mount by NFS.",
			}),
			sdk.Managed[Ramdisk]("g5k_ramdisk", ramdisks{t}, sdk.Options{
				Timeouts: bootTimeouts(),
				Doc:      "Kernel and initrd in the memory of nodes, which pass them on to each other.",
			}),
			sdk.Managed[Node]("g5k_node", nodes{t}, sdk.Options{
				Timeouts: bootTimeouts(),
				Doc:      "A physical node that runs a system of ours. It takes a context and has hands.",
			}),
		},
		Flavours: t.flavours(),
		Programs: map[string]func([]string) error{agent.ProgramName: agent.Main},
		Data: []sdk.Data{
			sdk.DataSource("g5k_site", t.readSite),
			sdk.DataSource("g5k_cluster", t.readCluster),
			sdk.DataSource("g5k_nodes", t.readNodes),
			sdk.DataSource("g5k_status", t.readStatus),
		},
	}
}
