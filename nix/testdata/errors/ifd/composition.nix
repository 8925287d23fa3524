{ pkgs, ... }:
{
  roles.server = import (derivation { name = "gen.nix"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo 1 > $out; exit 0" ]; });
}
