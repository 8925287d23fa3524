// Package docker runs compositions, and single containers, on a Docker engine.
//
// It offers networks, volumes, images and containers as resources, and the
// flavour "docker", which turns a composition into one network and one
// container a node: an empty image, the store mounted read-only, and the
// role's own systemd as process 1.
//
// Whatever it makes carries the deployment's uuid, the address and the attempt
// in labels from its first moment; whatever does not carry them it never
// touches. It builds nothing and pulls nothing, and it speaks to the engine
// through the engine's own API only.
package docker

import (
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Version is the provider's version.
const Version = "0.1.0"

// Provider returns the provider. Its handlers share one engine, which the
// configuration connects.
func Provider() sdk.Provider { return provider(&engine{}) }

func provider(e *engine) sdk.Provider {
	// A request of a plugin that died may still be carried out by the engine.
	const inFlight = 3 * time.Second
	short := plugins.Timeouts{Create: time.Minute, Update: time.Minute, Delete: time.Minute}
	long := plugins.Timeouts{Create: 5 * time.Minute, Update: 5 * time.Minute, Delete: 2 * time.Minute}
	return sdk.Provider{
		Name:      "docker",
		Version:   Version,
		Configure: sdk.Configure(e.configure),
		Resources: []sdk.Resource{
			sdk.Managed[Network]("docker_network", networks{e}, sdk.Options{
				Timeouts: short, FindWindow: inFlight,
				Doc: "A network of the engine, in which containers find each other by name.",
			}),
			sdk.Managed[Volume]("docker_volume", volumes{e}, sdk.Options{
				Timeouts: short, FindWindow: inFlight,
				Doc: "A volume: files that outlive the containers which mount it.",
			}),
			sdk.Managed[Image]("docker_image", images{e}, sdk.Options{
				Timeouts: long, FindWindow: inFlight,
				Doc: "An image, made from an archive of a root file system, or empty.",
			}),
			sdk.Managed[Container]("docker_container", containers{e}, sdk.Options{
				Timeouts: long, FindWindow: inFlight,
				Doc: "A container. It is a node: it takes a context and has hands.",
			}),
		},
		Data: []sdk.Data{
			sdk.DataSource("docker_engine", e.describe),
		},
		Flavours: []sdk.Flavour{
			sdk.NewFlavour("docker", sdk.Sources(nixFiles, "nix"), e.expand, sdk.FlavourOptions{Switches: true}),
		},
	}
}
