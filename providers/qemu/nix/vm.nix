# The Nix half of the flavour "vm": machines find the store outside. A kernel
# that knows 9p shares this machine's own store; the embedded stand-in's does
# not, and gets an image of the systems, which all machines share read-only.
{ machine }:
let
  storeOf = { pkgs, ... }: if pkgs ? standin then "image" else "9p";
in
{
  modules = [ machine.module ];
  shape = "all-in-one";

  artifacts = context: machine.image (context // { store = storeOf context; });

  extra = context: import ./extra.nix context // { store = storeOf context; };
}
