# The ssh server. Host keys are the node's own: those that nxc put in place, or
# new ones at the first boot; never keys of the store.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types mkIf;
  cfg = config.services.openssh;
  setting = v: if v == true then "yes" else if v == false then "no" else if builtins.isList v then lib.concatStringsSep "," v else toString v;
in
{
  options.services.openssh = {
    enable = lib.mkEnableOption "the ssh server";
    startWhenNeeded = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted; the server always runs.";
    };
    ports = mkOption { type = types.listOf types.port; default = [ 22 ]; description = "Ports to listen on."; };
    openFirewall = mkOption {
      type = types.bool;
      default = true;
      description = "Accepted; there is no firewall.";
    };
    listenAddresses = mkOption {
      type = types.listOf (types.attrsOf types.anything);
      default = [ ];
      description = "Addresses to listen on, each { addr; port; }.";
    };
    permitRootLogin = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Former name of settings.PermitRootLogin.";
    };
    passwordAuthentication = mkOption {
      type = types.nullOr types.bool;
      default = null;
      description = "Former name of settings.PasswordAuthentication.";
    };
    hostKeys = mkOption {
      type = types.listOf (types.attrsOf types.anything);
      default = [ { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; } ];
      description = "Host keys, made at the first boot where they are missing.";
    };
    authorizedKeysFiles = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Files of keys that may log in.";
    };
    knownHosts = mkOption { type = types.attrsOf types.anything; default = { }; description = "Accepted."; };
    extraConfig = mkOption { type = types.lines; default = ""; description = "Lines of sshd_config."; };
    settings = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.bool types.int types.str (types.listOf types.str) ]));
      default = { };
      description = "Settings of sshd_config.";
    };
  } // lib.options.mkIgnoredOptions [ "allowSFTP" "moduliFile" "sftpFlags" "sftpServerExecutable" ];
  options.services.sshd.enable = mkOption {
    type = types.bool;
    default = false;
    description = "Alias of services.openssh.enable.";
  };

  # Former names of settings.
  imports = lib.mapAttrsToList
    (name: setting: lib.mkAliasOptionModule [ "services" "openssh" name ] [ "services" "openssh" "settings" setting ])
    {
      challengeResponseAuthentication = "KbdInteractiveAuthentication";
      ciphers = "Ciphers";
      forwardX11 = "X11Forwarding";
      gatewayPorts = "GatewayPorts";
      kbdInteractiveAuthentication = "KbdInteractiveAuthentication";
      kexAlgorithms = "KexAlgorithms";
      logLevel = "LogLevel";
      macs = "Macs";
      useDns = "UseDns";
    };

  config = lib.mkMerge [
    { services.openssh.enable = mkIf config.services.sshd.enable true; }
    (mkIf cfg.enable {
      users.users.sshd = {
        isSystemUser = true;
        group = "sshd";
        description = "SSH privilege separation user";
        home = "/run/sshd";
      };
      users.groups.sshd = { };
      networking.firewall.allowedTCPPorts = lib.optionals cfg.openFirewall cfg.ports;
      services.openssh.authorizedKeysFiles = [ "%h/.ssh/authorized_keys" "/etc/ssh/authorized_keys.d/%u" ];
      services.openssh.settings = {
        PermitRootLogin = lib.mkDefault (if cfg.permitRootLogin == null then "prohibit-password" else cfg.permitRootLogin);
        PasswordAuthentication = lib.mkDefault (if cfg.passwordAuthentication == null then true else cfg.passwordAuthentication);
        KbdInteractiveAuthentication = lib.mkDefault false;
        UsePAM = lib.mkDefault true;
        PrintMotd = lib.mkDefault false;
        UseDns = lib.mkDefault false;
      };
      environment.etc."ssh/sshd_config".text = ''
        ${lib.concatMapStrings (p: "Port ${toString p}\n") cfg.ports}
        ${lib.concatMapStrings (l: "ListenAddress ${l.addr}${lib.optionalString (l.port or null != null) ":${toString l.port}"}\n") cfg.listenAddresses}
        ${lib.concatMapStrings (k: "HostKey ${k.path}\n") cfg.hostKeys}
        AuthorizedKeysFile ${toString cfg.authorizedKeysFiles}
        Subsystem sftp /usr/lib/openssh/sftp-server
        ${lib.concatStrings (lib.mapAttrsToList (n: v: lib.optionalString (v != null) "${n} ${setting v}\n") cfg.settings)}
        ${cfg.extraConfig}
      '';
      systemd.services.sshd = {
        description = "SSH Daemon";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        aliases = [ "ssh.service" ];
        restartTriggers = [ config.environment.etc."ssh/sshd_config".text ];
        preStart = ''
          mkdir -p /run/sshd
          chmod 0755 /run/sshd
        '' + lib.concatMapStrings
          (k: ''
            if [ ! -s ${k.path} ]; then
              mkdir -p "$(dirname ${k.path})"
              /usr/bin/ssh-keygen -q -t ${k.type} ${lib.optionalString (k ? bits) "-b ${toString k.bits}"} -N "" -f ${k.path}
            fi
          '')
          cfg.hostKeys;
        serviceConfig = {
          ExecStart = "/usr/bin/sshd -D -f /etc/ssh/sshd_config";
          ExecReload = "/usr/bin/kill -HUP $MAINPID";
          KillMode = "process";
          Restart = "always";
          Type = "simple";
        };
      };
    })
  ];
}
