# The package set of the stand-in: builders, programs of the distribution, and
# the overlays that the user adds.
{ lib, index, system, overlays ? [ ], config ? { } }:
let
  host = import ./host.nix { inherit lib index; };
  base = final: {
    inherit lib system config overlays;
    standin = host;
    pkgs = final;
    path = toString ../.;
    callPackage = lib.callPackageWith final;
    callPackages = lib.callPackagesWith final;
    newScope = extra: lib.callPackageWith (final // extra);
    extend = overlay: import ./. { inherit lib index system config; overlays = overlays ++ [ overlay ]; };
    appendOverlays = more: import ./. { inherit lib index system config; overlays = overlays ++ more; };
    recurseIntoAttrs = lib.recurseIntoAttrs;
    buildPackages = final;
    targetPackages = final;
    pkgsBuildHost = final;
    hostPlatform = final.stdenv.hostPlatform;
    nixos = module:
      let
        evaluated = import ../nixos/eval-config.nix { inherit lib index; } {
          inherit system;
          pkgs = final;
          modules = [ module ];
        };
      in
      evaluated.config.system.build // evaluated;
  };
  parts = [
    (final: _: import ./stdenv.nix { inherit lib system host; pkgs = final; })
    (final: _: import ./writers.nix { inherit lib host; pkgs = final; })
    (final: _: import ./environments.nix { inherit lib host; pkgs = final; })
    (final: _: import ./programs.nix { inherit lib host index; pkgs = final; })
    (final: _: import ./fetchers.nix { inherit lib; pkgs = final; })
    (final: _: import ./formats.nix { inherit lib; pkgs = final; })
    (final: _: import ./testers.nix {
      inherit lib;
      pkgs = final;
      evalConfig = { modules }: import ../nixos/eval-config.nix { inherit lib index; } { inherit system modules; pkgs = final; };
    })
  ];
in
lib.fix (lib.foldl (previous: overlay: lib.extends overlay previous) base (parts ++ overlays))
