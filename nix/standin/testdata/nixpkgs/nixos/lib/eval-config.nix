# The options about packages, with what newer releases assert of them.
{ system, modules, specialArgs ? { } }:
let
  lib = import ../../../../../lib/standin/lib;
  inherit (lib.types) attrsOf listOf str unspecified;
in
lib.evalModules {
  inherit specialArgs;
  modules = modules ++ [
    ({ config, options, pkgs, ... }: {
      options = {
        nixpkgs.config = lib.mkOption { type = attrsOf unspecified; default = { }; };
        nixpkgs.overlays = lib.mkOption { type = listOf unspecified; default = [ ]; };
        nixpkgs.pkgs = lib.mkOption { type = unspecified; };
        system.stateVersion = lib.mkOption { type = str; };
        collection = lib.mkOption { type = str; };
      };
      config = {
        _module.args.pkgs = lib.mkDefault {
          name = toString ([ "own" ] ++ builtins.attrNames config.nixpkgs.config ++ [ (builtins.length config.nixpkgs.overlays) ]);
        };
        collection =
          if options.nixpkgs.pkgs.isDefined && config.nixpkgs.config != { }
          then throw "nixpkgs.pkgs beside nixpkgs.config"
          else pkgs.name;
      };
    })
  ];
}
