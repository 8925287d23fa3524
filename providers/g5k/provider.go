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
	return sdk.Provider{
		Name:      "g5k",
		Version:   Version,
		Configure: sdk.Configure(t.configure),
		Resources: []sdk.Resource{
			sdk.Managed[Job]("g5k_job", jobs{t}, sdk.Options{
				// A job waits for its turn as long as that takes.
				Timeouts: plugins.Timeouts{Delete: 10 * time.Minute}, FindWindow: stale,
				Doc: "A job of OAR's: nodes of a site, for a time.",
			}),
		},
	}
}
