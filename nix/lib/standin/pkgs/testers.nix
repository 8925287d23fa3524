# NixOS tests. Machines run under emulation, driven by nxc's own driver.
{ lib, evalConfig, pkgs }:
let
  machine = import ../../machine;

  # As pkgs.testers.runNixOSTest: a module, or a set of { name; nodes; testScript; }.
  runNixOSTest = test:
    let
      module = if lib.isFunction test then test { inherit lib pkgs; } else test;
      named = module.nodes or { } // (if module ? machine then { inherit (module) machine; } else { });
      roles = builtins.mapAttrs
        (_: node: evalConfig { modules = lib.toList node ++ lib.toList (module.defaults or [ ]) ++ [ machine.module machine.shell ]; })
        named;
      script = module.testScript or "";
    in
    machine.test {
      inherit lib pkgs roles;
      name = module.name or "unnamed";
      nodes = builtins.mapAttrs (name: _: name) named;
      testScript =
        if lib.isFunction script then script { nodes = builtins.mapAttrs (_: role: role.config) roles; } else script;
    };
in
{
  testers = {
    inherit runNixOSTest;
    nixosTest = runNixOSTest;
  };
  nixosTest = runNixOSTest;
}
