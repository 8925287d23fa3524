# The library of the stand-in: the functions of nixpkgs' `lib` that compositions
# use, with the same names and meanings, written for this project.
let
  parts = lib: {
    trivial = import ./trivial.nix { inherit lib; };
    lists = import ./lists.nix { inherit lib; };
    strings = import ./strings.nix { inherit lib; };
    attrsets = import ./attrsets.nix { inherit lib; };
    fixedPoints = import ./fixed-points.nix { inherit lib; };
    customisation = import ./customisation.nix { inherit lib; };
    versions = import ./versions.nix { inherit lib; };
    generators = import ./generators.nix { inherit lib; };
    options = import ./options.nix { inherit lib; };
    types = import ./types.nix { inherit lib; };
    modules = import ./modules.nix { inherit lib; };
    meta = import ./meta.nix { inherit lib; };
  };
  # `types` stays a set of its own, as users know it; the others are also
  # reachable without their group's name.
  flat = groups: builtins.foldl' (all: name: all // groups.${name}) { } [
    "trivial"
    "lists"
    "strings"
    "attrsets"
    "fixedPoints"
    "customisation"
    "versions"
    "options"
    "modules"
    "meta"
  ];
  lib = let groups = parts lib; in flat groups // groups;
in
lib
