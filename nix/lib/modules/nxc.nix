# Options of nxc itself, for every role and every flavour, on the stand-in and on
# NixOS alike.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption mkIf types;
  cfg = config.nxc;

  # Newer releases can make users by a service, after all of the activation.
  usersByScript = !(config.services.userborn.enable or false) && !(config.systemd.sysusers.enable or false);
in
{
  _file = "nxc's own module";
  imports = [ ./between-nodes.nix ];
  options.nxc = {
    users = {
      names = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "user1" "user2" ];
        description = "Names of persons that every node of the role knows.";
      };
      prefixHome = mkOption {
        type = types.str;
        default = "/home";
        example = "/users";
        description = "Folder of these users' homes.";
      };
    };
    wait-online.enable = lib.mkEnableOption "waiting for the network before the system counts as started";
    postBootCommands = mkOption {
      type = types.lines;
      default = "";
      example = "touch /etc/ready";
      description = "Shell commands, run as root just before systemd starts.";
    };
    baseBootCommands.enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether there is a /bin/bash, and /etc/post-boot-script*, nxc.sharedDirsBootCommands and nxc.postBootCommands are run.";
    };
    sharedDirsBootCommands = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands that shared folders need, run before nxc.postBootCommands.";
    };
    qemu-script.enable = lib.mkEnableOption "a script that starts QEMU, in NixOSCompose; nxc starts machines itself and makes none";
    root-sshKeys.enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether root accepts the deployment's own key, which each deployment makes for itself.";
    };
    sharedDirs = mkOption {
      type = types.attrsOf (types.submodule {
        options = {
          export = mkOption {
            type = types.bool;
            default = false;
            description = "Whether this role gives the folder.";
          };
          server = mkOption { type = types.str; default = ""; description = "Node that gives the folder."; };
        };
      });
      default = { };
      example = { "/users".export = true; };
      description = "Folders that nodes share; how depends on the flavour.";
    };
    beforeUsers = mkOption {
      type = types.lines;
      default = "";
      internal = true;
      description = "Shell commands of the activation, run before homes are made.";
    };
    manifest = mkOption {
      type = types.attrsOf types.unspecified;
      internal = true;
      readOnly = true;
      description = "What a plan says of these options.";
    };
  };

  config = lib.mkMerge [
    {
      nxc.manifest = {
        users = cfg.users.names;
        inherit (cfg) sharedDirs;
        waitOnline = cfg.wait-online.enable;
        rootSshKeys = cfg.root-sshKeys.enable;
      };
      # As in NixOS's own tests: making NixOS's manual evaluates every option there is
      # once more, for each role, and takes longer than the rest of the system.
      documentation.nixos.enable = lib.mkDefault false;
      # Scripts of experiments begin with #!/bin/bash, which NixOS does not have.
      boot.postBootCommands = mkIf cfg.baseBootCommands.enable ''
        [ -e /bin/bash ] || { mkdir -p /bin && ln -s /run/current-system/sw/bin/bash /bin/bash; }
        for script in /etc/post-boot-script*; do
          [ ! -x "$script" ] || "$script"
        done
        ${cfg.sharedDirsBootCommands}
        ${cfg.postBootCommands}
      '';
    }
    (mkIf (cfg.beforeUsers != "") {
      system.activationScripts = {
        nxc-before-users.deps = [ ]; # which older releases do not fill in
        nxc-before-users.text = cfg.beforeUsers;
      } // lib.optionalAttrs usersByScript {
        # In those the last of two lists counts.
        users = lib.mkAfter { deps = [ "nxc-before-users" ]; };
      };
    })
    (mkIf (cfg.users.names != [ ]) {
      # Releases before 22.05 close folders above a home that they make to all but root.
      nxc.beforeUsers = lib.mkAfter "mkdir -p ${lib.escapeShellArg cfg.users.prefixHome}\n";
      users.users = lib.genAttrs cfg.users.names (name: {
        isNormalUser = true;
        home = "${cfg.users.prefixHome}/${name}";
        group = "users";
      });
    })
    (mkIf cfg.wait-online.enable {
      systemd.services.nxc-wait-online = {
        description = "Wait for a route";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" "network-online.target" ];
        before = [ "network-online.target" ];
        path = [ (pkgs.iproute2 or pkgs.iproute) ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
        };
        script = ''
          until ip route get 192.0.2.1 > /dev/null 2>&1; do sleep 0.2; done
        '';
      };
    })
    # The context that nxc puts in place holds the node's own host key, which
    # those who connect know beforehand.
    (mkIf config.services.openssh.enable {
      system.activationScripts.nxc-host-key = ''
        if [ -s /etc/nxc/private/ssh_host_ed25519_key ] && [ ! -e /etc/ssh/ssh_host_ed25519_key ]; then
          mkdir -p /etc/ssh
          cp /etc/nxc/private/ssh_host_ed25519_key /etc/nxc/private/ssh_host_ed25519_key.pub /etc/ssh/
          chmod 0600 /etc/ssh/ssh_host_ed25519_key
        fi
      '';
    })
    # It also holds the deployment's public key.
    (mkIf (cfg.root-sshKeys.enable && config.services.openssh.enable) {
      services.openssh.extraConfig = ''
        Match User root
          AuthorizedKeysFile %h/.ssh/authorized_keys /etc/ssh/authorized_keys.d/%u /etc/nxc/authorized_keys
      '';
    })
  ];
}
