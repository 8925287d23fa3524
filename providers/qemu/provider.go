// Package qemu runs compositions, and single machines, as QEMU machines of the
// user's own: without root, without a daemon, several deployments side by side.
//
// It offers networks (a user-space switch, see package lan), machines and disks
// as resources, and the flavours "vm-ramdisk", whose machines live in memory,
// and "vm", whose machines find the store outside.
//
// Machines and switches outlive nxc. Each has a folder that says what was asked
// for, and carries on its command line an id that is drawn from deployment,
// address and attempt; a process is believed to be ours only when it says that
// id. The package builds nothing, and it does not configure the host.
package qemu

import (
	"errors"
	"fmt"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// Version is the provider's version.
const Version = "0.1.0"

// Provider returns the provider. Its handlers share one host, which the
// configuration describes.
func Provider() sdk.Provider { return provider(&host{}) }

func provider(h *host) sdk.Provider {
	short := plugins.Timeouts{Create: time.Minute, Update: time.Minute, Delete: time.Minute}
	// Emulated machines that start together share the processors.
	boot := plugins.Timeouts{Create: 10 * time.Minute, Update: 10 * time.Minute, Delete: 2 * time.Minute}
	return sdk.Provider{
		Name:      "qemu",
		Version:   Version,
		Configure: sdk.Configure(h.configure),
		Resources: []sdk.Resource{
			sdk.Managed[Network]("qemu_network", networks{h}, sdk.Options{
				Timeouts: short,
				Doc:      "A network in user space: a switch with DHCP, names, and a way out through the host.",
			}),
			sdk.Managed[Machine]("qemu_machine", machines{h}, sdk.Options{
				Timeouts: boot,
				Doc:      "A QEMU machine. It is a node: it takes a context and has hands.",
			}),
			sdk.Managed[Disk]("qemu_disk", disks{h}, sdk.Options{
				Timeouts: short,
				Doc:      "A disk in qcow2 format, empty or on top of a base that is only read.",
			}),
		},
		Flavours: []sdk.Flavour{
			sdk.NewFlavour("vm-ramdisk", sdk.Sources(nixFiles, "nix"), h.expandRamdisk, sdk.FlavourOptions{Switches: true}),
			sdk.NewFlavour("vm", vmSources(), h.expandVM, sdk.FlavourOptions{Switches: true}),
		},
		Programs: map[string]func([]string) error{
			switchProgram: func(args []string) error {
				if len(args) != 3 {
					return errors.New("it takes its name, an id, and the folder of a network")
				}
				if err := lan.Serve(args[2]); err != nil {
					return fmt.Errorf("the switch of %s: %w", args[2], err)
				}
				return nil
			},
		},
	}
}

// switchProgram is the name by which the provider starts itself as a switch.
const switchProgram = "switch"
