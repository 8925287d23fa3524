# Units: options as NixOS has them, and the texts that systemd reads.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types mapAttrs mapAttrs' nameValuePair optionalAttrs optionalString concatStringsSep;
  units = import ./systemd-units.nix { inherit lib pkgs; };
  cfg = config.systemd;

  kind = suffix: set: mapAttrs' (name: unit: nameValuePair "${name}.${suffix}" (units.render suffix name unit)) set;
  kindFromList = suffix: list: builtins.listToAttrs (map
    (unit: let name = lib.strings.escapeSystemdPath unit.where; in nameValuePair "${name}.${suffix}" (units.render suffix name unit))
    list);
  attrsOfUnits = module: what: mkOption {
    type = types.attrsOf (types.submodule module);
    default = { };
    description = what;
  };
in
{
  options.systemd = {
    package = mkOption { type = types.package; default = pkgs.systemd; description = "The systemd package."; };
    units = mkOption {
      type = types.attrsOf (types.submodule ({ name, ... }: {
        options = units.basic // {
          text = mkOption {
            type = types.nullOr types.lines;
            default = null;
            description = "The unit's text.";
          };
          scripts = mkOption {
            type = types.attrsOf types.str;
            default = { };
            internal = true;
            description = "Programs that the unit runs, by file name.";
          };
        };
      }));
      default = { };
      description = "All units, as texts.";
    };
    packages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages that bring units.";
    };
    services = attrsOfUnits units.service "Services.";
    timers = attrsOfUnits units.timer "Timers.";
    sockets = attrsOfUnits units.socket "Sockets.";
    targets = attrsOfUnits units.target "Targets.";
    paths = attrsOfUnits units.path "Path units.";
    slices = attrsOfUnits units.slice "Slices.";
    mounts = mkOption {
      type = types.listOf (types.submodule units.mount);
      default = [ ];
      description = "Mounts.";
    };
    automounts = mkOption {
      type = types.listOf (types.submodule units.automount);
      default = [ ];
      description = "Automounts.";
    };
    user.services = attrsOfUnits units.service "Services of users.";
    user.timers = attrsOfUnits units.timer "Timers of users.";
    user.sockets = attrsOfUnits units.socket "Sockets of users.";
    tmpfiles.rules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "d /srv/data 0755 root root -" ];
      description = "Rules of tmpfiles.d(5).";
    };
    tmpfiles.settings = mkOption {
      type = types.attrsOf (types.attrsOf (types.attrsOf (types.submodule {
        options = lib.genAttrs [ "mode" "user" "group" "age" "argument" ]
          (n: mkOption { type = types.str; default = if n == "argument" then "" else "-"; description = "Field of the rule."; });
      })));
      default = { };
      description = "Rules of tmpfiles.d(5), by file, path and type.";
    };
    extraConfig = mkOption { type = types.lines; default = ""; description = "Lines of system.conf."; };
    globalEnvironment = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = "Variables of all services.";
    };
    defaultUnit = mkOption {
      type = types.str;
      default = "multi-user.target";
      description = "What the system boots to.";
    };
    suppressedSystemUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Units of the distribution that must not run.";
    };
    enableEmergencyMode = mkOption { type = types.bool; default = true; description = "Accepted."; };
    coredump.enable = mkOption { type = types.bool; default = false; description = "Accepted."; };
    oomd.enable = mkOption { type = types.bool; default = false; description = "Accepted."; };
    network.enable = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted: the flavour brings the network up.";
    };
  };

  config = {
    systemd.units =
      kind "service" cfg.services
      // kind "timer" cfg.timers
      // kind "socket" cfg.sockets
      // kind "target" cfg.targets
      // kind "path" cfg.paths
      // kind "slice" cfg.slices
      // kindFromList "mount" cfg.mounts
      // kindFromList "automount" cfg.automounts
      // lib.genAttrs cfg.suppressedSystemUnits (_: { enable = false; });

    # A service with startAt runs by a timer of its own.
    systemd.timers = mapAttrs
      (_: s: { wantedBy = [ "timers.target" ]; timerConfig.OnCalendar = s.startAt; })
      (lib.filterAttrs (_: s: s.startAt != [ ]) cfg.services);

    systemd.services.systemd-logind = { };
    # Users come from the configuration, not from the distribution's lists.
    systemd.services.systemd-sysusers.enable = false;
    # Scripts of tests wait for both, and in NixOS what sets the network up wants
    # them.
    systemd.targets.network.wantedBy = [ "multi-user.target" ];
    systemd.targets.network-online.wantedBy = [ "multi-user.target" ];

    environment.etc = {
      "systemd/system.conf".text = ''
        [Manager]
        ManagerEnvironment=PATH=/run/current-system/sw/bin
        DefaultEnvironment=${concatStringsSep " " (lib.mapAttrsToList (n: v: ''"${n}=${toString v}"'') cfg.globalEnvironment)}
        DefaultTimeoutStopSec=20s
        ${cfg.extraConfig}
      '';
      "tmpfiles.d/00-nixos.conf".text = lib.concatMapStrings (rule: rule + "\n") cfg.tmpfiles.rules;
    } // mapAttrs'
      (file: paths: nameValuePair "tmpfiles.d/${file}.conf" {
        text = lib.concatStrings (lib.concatLists (lib.mapAttrsToList
          (path: lib.mapAttrsToList (type: r: "${type} '${path}' ${r.mode} ${r.user} ${r.group} ${r.age} ${r.argument}\n"))
          paths));
      })
      cfg.tmpfiles.settings;

    # The folder /etc/systemd/system and what units run, for the builder of /etc.
    system.build.units = units.folder "system" cfg.units;
    system.build.userUnits = units.folder "user" (
      kind "service" cfg.user.services // kind "timer" cfg.user.timers // kind "socket" cfg.user.sockets
    );
  };
}
