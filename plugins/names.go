package plugins

import "github.com/nixos-compose/nxc/internal/addr"

// NodeNames returns the names of n nodes of a role, the same in every flavour:
// one node has the role's name, several are numbered from 1.
func NodeNames(role string, n int) []string { return addr.NodeNames(role, n) }
