# Assertions and warnings of modules.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Conditions that must hold for the system to be built, each { assertion; message; }.";
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Messages for who evaluates the system.";
    };
    meta = mkOption {
      type = types.attrsOf types.unspecified;
      default = { };
      internal = true;
      description = "Information about modules themselves.";
    };
  };
}
