package command

import "github.com/nixos-compose/nxc/plugins/host"

// Survivors returns the plugins that a dead nxc left behind.
func (p *installed) Survivors(pid int) []int { return host.Survivors(pid) }
