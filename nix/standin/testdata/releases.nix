# What nxc's modules make of releases of NixOS that differ where it matters to
# them. A release is a few declarations of options, of the kind that it has them:
# what else the modules say is not looked at.
{ lib, modules }:
let
  inherit (lib.types) attrs attrsOf bool either listOf str submodule unspecified;
  option = type: default: lib.mkOption { inherit type default; };

  # What all have.
  common = { config, ... }: {
    options = {
      assertions = option (listOf unspecified) [ ];
      warnings = option (listOf str) [ ];
      boot.initrd.kernelModules = option (listOf str) [ ];
      fileSystems = option (attrsOf unspecified) { };
      services.nfs.server.enable = option bool false;
      services.openssh.enable = option bool false;
      system.activationScripts = option
        (attrsOf (either str (submodule {
          options = { text = option str ""; deps = option (listOf str) [ ]; };
        })))
        { };
      systemd.services = option (attrsOf unspecified) { };
      nxc.sharedDirs = option unspecified { "/data" = { export = true; server = ""; }; };
    };
    # NixOS's own users: by a script, or by a service.
    config.system.activationScripts.users =
      if config.services.userborn.enable or false then "" else { text = "make users"; };
  };

  build = type: { options.system.build = option type { }; };
  switchable = ng: {
    options.system.switch = { enable = option bool true; enableNg = option bool ng; };
  };
  stage1 = { options.boot.initrd.enable = option bool true; };
  systemd = default: { options.boot.initrd.systemd.enable = option bool default; };
  userborn = { options.services.userborn.enable = option bool true; };
  getty = { options.services.getty.enable = option bool true; };
  storeOptions = { options.boot.nixStoreMountOpts = option (listOf str) [ "ro" "nodev" "nosuid" ]; };

  releases = {
    "19.09" = [ (build (attrsOf unspecified)) ];
    "20.09" = [ (build attrs) stage1 ];
    "24.05" = [ (build (attrsOf unspecified)) stage1 (systemd false) (switchable false) ];
    "24.11" = [ (build (attrsOf unspecified)) stage1 (systemd false) (switchable true) userborn ];
    "26.05" = [
      (build (attrsOf unspecified)) stage1 (systemd true) getty storeOptions
      { options.system.switch.enable = option bool true; }
      (lib.mkRemovedOptionModule [ "system" "switch" "enableNg" ] "There is no other.")
    ];
    # What is announced: no stage 1 but systemd's.
    announced = [
      (build (attrsOf unspecified)) stage1 getty storeOptions
      (lib.mkRemovedOptionModule [ "boot" "initrd" "systemd" "enable" ] "There is no other.")
    ];
  };

  evaluate = module: release:
    let
      result = lib.evalModules {
        modules = [ common module ] ++ release;
        check = false;
        specialArgs.pkgs = { runCommand = name: _: _: name; bashInteractive = "bash"; };
      };
      inherit (result) config options;
    in
    {
      # Options that are gone are not set.
      wrong = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
      masksLogind = config.systemd.services ? systemd-logind;
      systemdFirst =
        let enable = options.boot.initrd.systemd.enable or { visible = false; };
        in enable.visible or true && enable.value;
      getty = config.services.getty.enable or true;
      users = config.system.activationScripts.users.deps or [ ];
      mountsStore = config.boot.nixStoreMountOpts or [ ];
      initrd = config.system.build.initialRamdisk or "";
    };
in
builtins.mapAttrs (_: module: builtins.mapAttrs (_: evaluate module) releases) modules
