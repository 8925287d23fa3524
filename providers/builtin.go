// Package providers is the visible map of the providers that come with nxc.
package providers

import (
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/docker"
	"github.com/nixos-compose/nxc/providers/g5k"
	"github.com/nixos-compose/nxc/providers/nixostest"
	"github.com/nixos-compose/nxc/providers/null"
	"github.com/nixos-compose/nxc/providers/qemu"
)

// Builtin returns the providers that come with nxc, by name.
func Builtin() map[string]func() sdk.Provider {
	return map[string]func() sdk.Provider{
		"docker":     docker.Provider,
		"g5k":        g5k.Provider,
		"nixos-test": nixostest.Provider,
		"null":       null.Provider,
		"qemu":       qemu.Provider,
	}
}
