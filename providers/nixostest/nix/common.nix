# What the flavours nixos-test, nixos-test-driver and nixos-test-ssh share: the
# composition as a NixOS test, by whatever entry the nixpkgs has for one. The
# embedded stand-in's machines are emulated, and driven by nxc's own driver.
{ machine, arguments }:
let
  containers = arguments.containers or null == true;
  ocr = arguments.ocr or null == true;

  # A role by itself is evaluated with what a test adds to it, for the plan.
  node = { modulesPath, ... }: {
    imports =
      if containers then [ (nspawn modulesPath) ] ++ network modulesPath
      else if builtins.pathExists "${modulesPath}/virtualisation/qemu-vm.nix"
      then [ "${modulesPath}/virtualisation/qemu-vm.nix" "${modulesPath}/testing/test-instrumentation.nix" ] ++ network modulesPath
      else [ machine.module machine.shell ];
  };

  # Where a nixpkgs has containers, the networks of a test are in a module of
  # their own.
  network = modulesPath:
    let file = "${modulesPath}/virtualisation/guest-networking-options.nix";
    in if builtins.pathExists file then [ file ] else [ ];

  # What a nixpkgs has whose tests can consist of containers.
  nspawn = modulesPath:
    let folder = "${modulesPath}/virtualisation/nspawn-container";
    in
    if builtins.pathExists folder then folder
    else throw "this nixpkgs has no containers for NixOS tests; leave `containers' out to have machines";

  standin = { lib, pkgs, roles, nodes, ... }: testScript: if ocr then throw "the embedded nixpkgs has no tesseract, which reads screens; leave `ocr' out, or take a real nixpkgs" else machine.test {
    inherit lib pkgs roles nodes testScript;
    name = "composition";
    settings = name:
      let wanted = roles.${nodes.${name}}.config.virtualisation or { };
      in {
        memory = wanted.memorySize or 384;
        vcpus = wanted.cores or 1;
      };
  };

  # What a real nixpkgs is, such as 20.03.
  isOlder = context: release: !(context.pkgs ? standin) && builtins.compareVersions context.lib.trivial.release release < 0;

  nixos = context@{ lib, pkgs, nodes, modules, ... }: testScript:
    let
      said =
        if testScript != "" && isOlder context "20.03"
        then builtins.trace "warning: NixOS ${lib.trivial.release} takes a test's script for Perl; one in Python needs NixOS 20.03 or later"
        else value: value;
      test = {
        inherit testScript;
        name = "composition";
        ${if containers then "containers" else "nodes"} = builtins.mapAttrs (_: role: { imports = modules.${role}; }) nodes;
      } // lib.optionalAttrs ocr { enableOCR = true; };
    in
    said (if pkgs ? testers && pkgs.testers ? runNixOSTest then pkgs.testers.runNixOSTest test
    else if pkgs ? nixosTest then pkgs.nixosTest test
    else throw "this nixpkgs has neither pkgs.testers.runNixOSTest nor pkgs.nixosTest, so it makes no NixOS tests");

  hasScript = context: context.testScript != null;
  # A session needs no script.
  testOf = context:
    (if context.pkgs ? standin then standin else nixos) context
      (if hasScript context then context.testScript else "");
in
{
  inherit testOf;
  # The test whose driver keeps a session, which nxc starts by its arguments.
  sessionOf = context:
    if isOlder context "21.11"
    then throw "sessions of a NixOS test's driver need NixOS 21.11 or later, and this is ${context.lib.trivial.release}; take a newer nixpkgs, or the flavour vm or vm-ramdisk"
    else testOf context;
  modules = [ node ];

  extra = context:
    let test = testOf context;
    in {
      inherit (context) nodes;
      hasScript = hasScript context;
      derivation = builtins.unsafeDiscardStringContext test.drvPath;
      # No binary cache has what the stand-in makes.
      local = context.pkgs ? standin;
    };
}
