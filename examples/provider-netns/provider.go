// Command nxc-provider-netns runs the nodes of a composition as network
// namespaces of this machine: no daemon, no images, made in milliseconds.
//
// It is an example of a third party's provider: small, complete, and written
// against the public packages only. A node has a network, a root and a host name
// of its own; of its system it has the programs, and nothing boots. What this
// machine has, such as its firewall, takes no part in its networks.
package main

import (
	"context"
	"embed"
	"os"
	"path/filepath"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

//go:embed nix/*.nix
var nixFiles embed.FS

func main() { sdk.Serve(provider()) }

func provider() sdk.Provider {
	w := &world{}
	return sdk.Provider{
		Name:      "netns",
		Version:   release,
		Configure: sdk.Configure(w.configure),
		Resources: []sdk.Resource{
			sdk.Managed[Network]("netns_network", networks{w}, sdk.Options{Version: 1, Doc: "A switch that nodes are plugged into."}),
			sdk.Managed[Node]("netns_node", nodes{w}, sdk.Options{Version: nodeVersion, Doc: "A node: a network namespace with a root of its own."}),
		},
		Flavours: []sdk.Flavour{sdk.NewFlavour("netns", sdk.Sources(nixFiles, "nix"), expand)},
	}
}

// Config is the provider block.
type Config struct {
	Prefix string `nxc:"prefix,default=nxc-" doc:"What namespaces' names begin with."`
}

// world is what the provider block points at.
type world struct {
	root   string // the folder in which all folders are
	prefix string
	store  sdk.NixStore
}

func (w *world) configure(_ context.Context, c Config, f plugins.Folders) (plugins.Location, error) {
	if os.Getuid() != 0 {
		return plugins.Location{}, sdk.Error("Network namespaces need root", "Run nxc as root.")
	}
	w.root, w.prefix, w.store = filepath.Join(f.State, "netns"), c.Prefix, sdk.NixStore(f.StoreRoot)
	return sdk.ThisMachine(), nil
}
