//go:build version1

package main

// The provider as it was first released, for those who want to see an upgrade:
//
//	go build -tags version1 -o nxc-provider-netns ./examples/provider-netns
const (
	release     = "1.0.0"
	nodeVersion = 1
)

// Command is what a node runs.
type Command string

func (c Command) script() string { return string(c) }
