package nix

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
)

// compositionsExpression lists the names of a flake's compositions, none when
// it has only one. No nixpkgs is needed for that.
const compositionsExpression = `{ library, folder, system }:
let
  nixpkgs = { lib = throw "nixpkgs is not evaluated here"; pkgs = nixpkgs.lib; path = null; };
  flake = import (library + "/flake.nix") { load = import; inherit folder system nixpkgs; };
  given = flake.composition;
  value = if builtins.isPath given || builtins.isString given then import given else given;
in
if builtins.isAttrs value && !(value ? roles) && !(value ? nodes) then builtins.attrNames value else [ ]`

// Compositions returns the names of the compositions that the flake of a
// NixOSCompose project has, in order; none when it has a single one without a
// name.
func (n *Nix) Compositions(ctx context.Context, folder string) ([]string, error) {
	if _, err := flakeLock(folder); err != nil {
		return nil, err
	}
	library, err := n.materialise("lib", n.library)
	if err != nil {
		return nil, err
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
		return nil, fmt.Errorf("%s: %s", filepath.Join(folder, "flake.nix"), failure)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, "flake.nix"), err)
	}
	var names []string
	if err := json.Unmarshal(out, &names); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, "flake.nix"), err)
	}
	return names, nil
}
