// Command nxc plans and applies reproducible NixOS environments.
package main

import (
	"os"

	"github.com/nixos-compose/nxc/command"
)

func main() {
	os.Exit(command.Main(command.System(), os.Args[1:]))
}
