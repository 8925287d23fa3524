// Package nixostest runs compositions as NixOS tests: machines that the test
// framework of NixOS itself makes and drives, or, on the embedded stand-in,
// emulated machines that nxc's own driver does.
//
// The flavour "nixos-test" has one resource, the run of the composition's
// testScript in Nix's sandbox. Nix remembers what has passed, so the same test
// of the same systems is not run twice. With "nixos-test-driver" the test's
// driver runs instead, under a holder that owns its terminal and outlives nxc,
// and with "nixos-test-ssh" the driver's machines are nodes, reached by ssh.
//
// The package evaluates nothing, and it does not configure the host.
package nixostest

import (
	"context"
	"embed"
	"errors"
	"path/filepath"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Version is the provider's version.
const Version = "0.1.0"

//go:embed nix/*.nix
var nixFiles embed.FS

// sourcesOf are the files of a flavour whose entry is one of them.
func sourcesOf(entry string) map[string]string {
	sources := sdk.Sources(nixFiles, "nix")
	sources["default.nix"] = sources[entry]
	return sources
}

// host is the machine that tests run on.
type host struct{ folders plugins.Folders }

// folderOf is where an object's files lie; they live as long as it does.
func (h *host) folderOf(kind, id string) string {
	return filepath.Join(h.folders.State, kind+"-"+id)
}

// Provider returns the provider, for sdk.Serve.
func Provider() sdk.Provider {
	h := &host{}
	// Emulated machines that start together share the processors.
	boot := plugins.Timeouts{Create: 15 * time.Minute, Update: 15 * time.Minute, Delete: 2 * time.Minute}
	short := plugins.Timeouts{Create: plugins.NoTimeout, Update: plugins.NoTimeout, Delete: time.Minute}
	return sdk.Provider{
		Name:      "nixos-test",
		Version:   Version,
		Configure: sdk.Configure(h.configure),
		Resources: []sdk.Resource{
			sdk.Managed[Run]("nixos-test_run", runs{h}, sdk.Options{
				Timeouts: short, // the test itself says how long it may take
				Doc:      "One run of a test, by Nix. It is replaced, so run again, when anything that it is made of changes.",
			}),
			sdk.Managed[Driver]("nixos-test_driver", drivers{h}, sdk.Options{
				Timeouts: boot,
				Doc:      "A test's driver that runs, with its machines, under a holder that outlives nxc.",
			}),
			sdk.Managed[Machine]("nixos-test_machine", machines{h}, sdk.Options{
				Timeouts: boot,
				Doc:      "How a machine of a driver is reached. It is a node.",
			}),
		},
		Flavours: []sdk.Flavour{
			sdk.NewFlavour("nixos-test", sourcesOf("test.nix"), h.expandTest, sdk.FlavourOptions{Nodes: true}),
			sdk.NewFlavour("nixos-test-driver", sourcesOf("driver.nix"), h.expandDriver, sdk.FlavourOptions{Nodes: true}),
			sdk.NewFlavour("nixos-test-ssh", sourcesOf("ssh.nix"), h.expandSSH, sdk.FlavourOptions{Nodes: true}),
		},
		Programs: map[string]func([]string) error{
			holderProgram: func(args []string) error {
				if len(args) != 2 {
					return errors.New("it takes an id and the folder of a driver")
				}
				return hold(args[1])
			},
		},
	}
}

// configure remembers where files may lie. Tests happen on this machine.
func (h *host) configure(_ context.Context, _ struct{}, folders plugins.Folders) (plugins.Location, error) {
	h.folders = folders
	l := sdk.ThisMachine()
	l.Kind, l.Label = "nix-store", "the Nix store of "+l.Label
	return l, nil
}
