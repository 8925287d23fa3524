// Command fetch brings the stand-in's packages into the Nix store, as nxc does
// at its first use, so that `make deps` can do it beforehand.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/nix/standin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	_, err := standin.Ensure(ctx, options(), func(line string) {
		fmt.Fprintln(os.Stderr, "standin:", line)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

// options name the store that nxc will use: an ordinary user's may lie in the
// home folder, where what is in /nix/store would be looked for in vain.
func options() standin.Options {
	return standin.Options{StoreRoot: nix.StoreRoot(nil), Verify: true}
}
