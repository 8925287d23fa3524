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
      services.openssh.startWhenNeeded = option bool false;
      systemd.services = option (attrsOf unspecified) { };
      systemd.sockets = option (attrsOf unspecified) { };
    };
    config.nxc.sharedDirs."/data".export = true;
    config.services.openssh.startWhenNeeded = lib.mkDefault true; # as in containers
    # NixOS's own users: by a script, or by a service..
    config.system.activationScripts.users =
      if config.services.userborn.enable or false then "" else { text = "make users"; deps = [ "stdio" ]; };
  };

  # Of two definitions of a script, older releases keep of each field the last.
  scripts = type: { options.system.activationScripts = option (attrsOf type) { }; };
  loose = scripts unspecified;
  strict = scripts (either str (submodule {
    options = { text = option str ""; deps = option (listOf str) [ ]; };
  }));

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
    "19.09" = [ loose (build (attrsOf unspecified)) ];
    "20.09" = [ loose (build attrs) stage1 ];
    "24.05" = [ strict (build (attrsOf unspecified)) stage1 (systemd false) (switchable false) ];
    "24.11" = [ strict (build (attrsOf unspecified)) stage1 (systemd false) (switchable true) userborn ];
    "26.05" = [
      strict (build (attrsOf unspecified)) stage1 (systemd true) getty storeOptions
      { options.system.switch.enable = option bool true; }
      (lib.mkRemovedOptionModule [ "system" "switch" "enableNg" ] "There is no other.")
    ];
    # What is announced: no stage 1 but systemd's.
    announced = [
      strict (build (attrsOf unspecified)) stage1 getty storeOptions
      (lib.mkRemovedOptionModule [ "boot" "initrd" "systemd" "enable" ] "There is no other.")
    ];
  };

  evaluate = module: release:
    let
      result = lib.evalModules {
        modules = [ common ../../lib/modules/nxc.nix module ] ++ release;
        check = false;
        specialArgs.pkgs = { runCommand = name: _: _: name; bashInteractive = "bash"; };
      };
      inherit (result) config options;
      inherit (config.system.activationScripts) users;
    in
    {
      # Options that are gone are not set.
      wrong = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions)
        # What NixOS has a script do stays.
        ++ lib.optional (users ? deps && users.text != "make users") "makes no users";
      masksLogind = config.systemd.services ? systemd-logind;
      systemdFirst =
        let enable = options.boot.initrd.systemd.enable or { visible = false; };
        in enable.visible or true && enable.value;
      getty = config.services.getty.enable or true;
      users = lib.remove "stdio" users.deps or [ ];
      nix = config.system.activationScripts.nix.text or "";
      startsBus = config.systemd.sockets.dbus.wantedBy or [ ] != [ ];
      sshdOnDemand = config.services.openssh.startWhenNeeded;
      mountsStore = config.boot.nixStoreMountOpts or [ ];
      initrd = config.system.build.initialRamdisk or "";
    };
in
builtins.mapAttrs (_: module: builtins.mapAttrs (_: evaluate module) releases) modules
