# NixOS's eval-config for the stand-in: modules in, { config, options, pkgs } out.
{ lib, index }:
{ system ? index.system
, modules
, pkgs ? null
, baseModules ? import ./module-list.nix
, extraModules ? [ ]
, specialArgs ? { }
, extraArgs ? { }
, prefix ? [ ]
, check ? true
, modulesLocation ? null
}:
let
  accepted = import ./accepted.nix { inherit lib; };
  packages = { config, ... }: {
    _file = ./eval-config.nix;
    _module.args.utils = {
      inherit (lib.strings) escapeSystemdPath escapeSystemdExecArg escapeSystemdExecArgs;
      toShellPath = shell: if lib.isDerivation shell then lib.getExe shell else shell;
    };
    _module.args.pkgs = lib.mkDefault (
      if pkgs != null then
        (if config.nixpkgs.overlays == [ ] then pkgs else pkgs.appendOverlays config.nixpkgs.overlays)
      else import ../pkgs { inherit lib index system; inherit (config.nixpkgs) overlays; }
    );
  };
  evaluated = lib.evalModules {
    inherit prefix check;
    modules = baseModules ++ extraModules ++ [ packages ] ++ modules;
    args = extraArgs;
    specialArgs = { modulesPath = toString ./modules; } // specialArgs;
    accepts = accepted;
  };
in
evaluated // {
  pkgs = evaluated._module.args.pkgs;
  inherit lib;
}
