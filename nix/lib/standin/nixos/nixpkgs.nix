# How the package set is made; what has no meaning for the stand-in is accepted.
{ lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.nixpkgs = {
    overlays = mkOption {
      type = types.listOf types.raw;
      default = [ ];
      description = "Functions that change or add packages.";
    };
    config = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = "Configuration of the package set; the stand-in has nothing unfree to allow.";
    };
    hostPlatform = mkOption {
      type = types.anything;
      default = null;
      description = "The platform; the stand-in serves only the host's own.";
    };
    system = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The platform's name; the stand-in serves only the host's own.";
    };
    pkgs = mkOption {
      type = types.raw;
      default = pkgs;
      description = "The package set itself.";
    };
  };
}
