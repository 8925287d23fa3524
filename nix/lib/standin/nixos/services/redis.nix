# The key-value database. `servers."".enable` is redis.service on port 6379,
# `servers.NAME` is redis-NAME.service on a socket or a port of its own.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types mapAttrs' nameValuePair filterAttrs;
  cfg = config.services.redis;

  setting = v: if v == true then "yes" else if v == false then "no" else toString v;
  lines = set: lib.concatStrings (lib.mapAttrsToList
    (key: v: if builtins.isList v then lib.concatMapStrings (x: "${key} ${setting x}\n") v else "${key} ${setting v}\n")
    (filterAttrs (_: v: v != null) set));
  unitName = name: "redis${lib.optionalString (name != "") "-${name}"}";

  server = types.submodule ({ name, config, ... }: {
    options = {
      enable = lib.mkEnableOption "this server";
      user = mkOption { type = types.str; default = unitName name; description = "The server's user."; };
      group = mkOption { type = types.str; default = config.user; description = "The server's group."; };
      port = mkOption {
        type = types.port;
        default = if name == "" then 6379 else 0;
        description = "Port; 0 for none.";
      };
      bind = mkOption {
        type = types.nullOr types.str;
        default = "127.0.0.1";
        description = "Addresses; null for all.";
      };
      openFirewall = mkOption {
        type = types.bool;
        default = false;
        description = "Accepted; there is no firewall.";
      };
      unixSocket = mkOption {
        type = types.nullOr types.path;
        default = "/run/${unitName name}/redis.sock";
        description = "The socket.";
      };
      unixSocketPerm = mkOption { type = types.int; default = 660; description = "The socket's mode."; };
      databases = mkOption { type = types.int; default = 16; description = "How many databases."; };
      maxclients = mkOption { type = types.int; default = 10000; description = "How many clients."; };
      logLevel = mkOption { type = types.str; default = "notice"; description = "How much is logged."; };
      save = mkOption {
        type = types.listOf (types.listOf types.int);
        default = [ [ 900 1 ] [ 300 10 ] [ 60 10000 ] ];
        description = "When data is saved: seconds and changes.";
      };
      appendOnly = mkOption {
        type = types.bool;
        default = false;
        description = "Whether every change is written at once.";
      };
      appendFsync = mkOption {
        type = types.str;
        default = "everysec";
        description = "When changes are flushed.";
      };
      requirePass = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The password; the store holds it readable.";
      };
      requirePassFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "File of the node with the password.";
      };
      extraParams = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Further arguments.";
      };
      settings = mkOption {
        type = types.attrsOf (types.oneOf [ types.bool types.int types.str (types.listOf types.str) ]);
        default = { };
        description = "Settings of redis.conf.";
      };
    };
    config.settings = lib.mapAttrs (_: lib.mkDefault) (filterAttrs (_: v: v != null) {
      inherit (config) port databases maxclients;
      bind = config.bind;
      loglevel = config.logLevel;
      unixsocket = config.unixSocket;
      unixsocketperm = toString config.unixSocketPerm;
      save = if config.save == [ ] then "\"\"" else map (s: lib.concatMapStringsSep " " toString s) config.save;
      appendonly = config.appendOnly;
      appendfsync = config.appendFsync;
      requirepass = config.requirePass;
      daemonize = false;
      supervised = "systemd";
      logfile = "\"\"";
      dir = "/var/lib/${unitName name}";
      protected-mode = config.requirePass != null || config.requirePassFile != null;
    });
  });
  enabled = filterAttrs (_: s: s.enable) cfg.servers;
in
{
  options.services.redis = {
    package = mkOption { type = types.package; default = pkgs.redis; description = "The redis package."; };
    vmOverCommit = mkOption {
      type = types.anything;
      default = false;
      description = "Accepted; the host decides.";
    };
    servers = mkOption { type = types.attrsOf server; default = { }; description = "Servers by name."; };
  };
  imports = map (name: lib.mkAliasOptionModule [ "services" "redis" name ] [ "services" "redis" "servers" "" name ])
    [ "enable" "port" "bind" "openFirewall" "settings" "requirePass" "appendOnly" "databases" ];

  config = {
    users.users = mapAttrs' (name: s: nameValuePair s.user { isSystemUser = true; inherit (s) group; description = "System user for the redis-server instance ${if name == "" then "default" else name}"; }) enabled;
    users.groups = mapAttrs' (_: s: nameValuePair s.group { }) enabled;
    environment.systemPackages = lib.mkIf (enabled != { }) [ cfg.package ];
    systemd.services = mapAttrs'
      (name: s: nameValuePair (unitName name) {
        description = "Redis Server - ${unitName name}";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        preStart = lib.optionalString (s.requirePassFile != null) ''
          printf 'requirepass "%s"\n' "$(cat ${s.requirePassFile})" > /run/${unitName name}/password.conf
        '';
        serviceConfig = {
          ExecStart = "${cfg.package}/bin/redis-server ${pkgs.writeText "redis.conf" (lines s.settings + lib.optionalString (s.requirePassFile != null) "include /run/${unitName name}/password.conf\n")} ${lib.escapeShellArgs s.extraParams}";
          Type = "notify";
          User = s.user;
          Group = s.group;
          RuntimeDirectory = unitName name;
          RuntimeDirectoryMode = "0750";
          StateDirectory = unitName name;
          StateDirectoryMode = "0700";
          Restart = "always";
        };
      })
      enabled;
  };
}
