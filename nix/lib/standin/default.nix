# The stand-in for nixpkgs: `pkgs`, `lib` and an `eval-config` with NixOS's
# interface, made from the packages of the host's distribution.
#
# `index` is the content of the index that the Go package nix/standin wrote to
# the store. Nothing here needs a network, a compiler or a binary cache.
{ index, system, overlays ? [ ], config ? { } }:
let
  lib = import ./lib;
  pkgs = import ./pkgs { inherit lib index system overlays config; };
in
{
  inherit lib pkgs;
  modulesPath = toString ./nixos/modules;
  evalConfig = import ./nixos/eval-config.nix { inherit lib index; };
}
