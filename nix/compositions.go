package nix

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
)

// compositionsExpression lists the names of a flake's compositions, none when
// it has only one, or of its outputs when it has nothing else. No nixpkgs is
// needed for that, beyond a library that can make names.
const compositionsExpression = `{ library, folder, system }:
let
  nixpkgs = { lib = import (library + "/standin/lib"); pkgs = throw "nixpkgs is not evaluated here"; path = null; locked = false; };
  flake = import (library + "/flake.nix") { load = import; inherit folder system nixpkgs; };
  given = flake.composition;
  value = if builtins.isPath given || builtins.isString given then import given else given;
in
if flake.outputs != null then { names = [ ]; outputs = builtins.filter (n: builtins.match ".+::.+" n != null) (builtins.attrNames flake.outputs); }
else { names = if builtins.isAttrs value && !(value ? roles) && !(value ? nodes) then builtins.attrNames value else [ ]; outputs = [ ]; }`

// Compositions says what the flake of a NixOSCompose project composes.
type Compositions struct {
	// Names are those of its compositions, in order; none when it has a single
	// one without a name.
	Names []string `json:"names"`

	// Outputs are its outputs NAME::FLAVOUR, in order, when it does not tell
	// what it composes.
	Outputs []string `json:"outputs"`
}

// Compositions asks the flake of a NixOSCompose project what it composes.
func (n *Nix) Compositions(ctx context.Context, folder string) (Compositions, error) {
	var c Compositions
	if _, err := flakeLock(folder); err != nil {
		return c, err
	}
	library, err := n.materialise("lib", n.library)
	if err != nil {
		return c, err
	}
	var failure string
	out, err := n.run(ctx, command{
		path: n.instantiate,
		args: []string{
			"--eval", "--strict", "--json", "--log-format", "internal-json",
			"--argstr", "library", library, "--argstr", "folder", folder, "--argstr", "system", HostSystem(),
			"-E", compositionsExpression,
		},
		settings: []setting{{"restrict-eval", "false"}, {"pure-eval", "false"}},
		onLog: func(e logEntry) {
			if e.isError() {
				failure = e.errorText()
			}
		},
	})
	if err != nil && failure != "" {
		return c, fmt.Errorf("%s: %s", filepath.Join(folder, "flake.nix"), failure)
	}
	if err == nil {
		err = json.Unmarshal(out, &c)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Join(folder, "flake.nix"), err)
	}
	return c, nil
}
