# What happens before and around the start of the system.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  command = what: mkOption { type = types.lines; default = ""; description = "Shell commands, run as root ${what}."; };
in
{
  options.boot = {
    isContainer = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the system runs in a container, on its host's kernel.";
    };
    kernelPackages = mkOption {
      type = types.raw;
      default = pkgs.linuxPackages;
      description = "The kernel and its modules.";
    };
    kernelParams = mkOption {
      type = types.listOf (types.strMatching "([^\"[:space:]]|\"[^\"]*\")+");
      default = [ ];
      example = [ "isolcpus=1" ];
      description = "Parameters of the kernel; they make a machine a different one.";
    };
    kernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Modules to load at boot.";
    };
    extraModulePackages = mkOption {
      type = types.listOf types.raw;
      default = [ ];
      description = "Accepted; the stand-in builds no kernel modules.";
    };
    blacklistedKernelModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Modules never to load.";
    };
    consoleLogLevel = mkOption {
      type = types.int;
      default = 4;
      description = "Which messages of the kernel reach the console.";
    };
    supportedFilesystems = mkOption { type = types.anything; default = [ ]; description = "Accepted."; };
    specialFileSystems = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      internal = true;
      description = "Accepted.";
    };
    kernel.sysctl = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.bool types.str types.int ]));
      default = { };
      example = { "net.core.somaxconn" = 1024; };
      description = "Parameters of the running kernel.";
    };
    initrd = {
      availableKernelModules = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Modules in the initial file system.";
      };
      kernelModules = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Modules loaded in the initial file system.";
      };
    };
    loader.grub.enable = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted; nodes have no boot loader.";
    };
    postBootCommands = command "before systemd starts";
    tmp.cleanOnBoot = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted; /tmp is in memory.";
    };
    tmp.useTmpfs = mkOption {
      type = types.bool;
      default = true;
      description = "Accepted; /tmp is in memory.";
    };
  };
  config.environment.etc = {
    "sysctl.d/60-nixos.conf".text = lib.concatStrings (lib.mapAttrsToList
      (n: v: lib.optionalString (v != null) "${n}=${if v == false then "0" else toString v}\n")
      config.boot.kernel.sysctl);
    "modules-load.d/nixos.conf".text = lib.concatMapStrings (m: m + "\n") config.boot.kernelModules;
    "modprobe.d/nixos.conf".text = lib.concatMapStrings (m: "blacklist ${m}\n") config.boot.blacklistedKernelModules;
  };
}
