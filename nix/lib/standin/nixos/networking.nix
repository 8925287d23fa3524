# Names and addresses. A node's own host name comes from outside, so that all
# nodes of a role share one system.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking;

  # Each port once, in their order.
  ports = mkOption {
    type = types.listOf types.port;
    default = [ ];
    apply = list: lib.unique (lib.sort lib.lessThan list);
    description = "Ports that a firewall would open.";
  };
in
{
  options.networking = {
    hostName = mkOption {
      type = types.str;
      default = "";
      description = "The host's name. Empty, as for nodes of a composition: whoever starts the node names it.";
    };
    domain = mkOption { type = types.nullOr types.str; default = null; description = "The host's domain."; };
    hosts = mkOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
      example = { "192.0.2.1" = [ "gateway" ]; };
      description = "Names of addresses, added to /etc/hosts at boot.";
    };
    extraHosts = mkOption {
      type = types.lines;
      default = "";
      description = "Lines added to /etc/hosts at boot.";
    };
    nameservers = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Name servers; where the network brings its own, those are used.";
    };
    useDHCP = mkOption {
      type = types.anything;
      default = false;
      description = "Accepted: the flavour brings the network up.";
    };
    dhcpcd.enable = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted: the flavour brings the network up.";
    };
    useNetworkd = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted: the flavour brings the network up.";
    };
    useHostResolvConf = mkOption {
      type = types.anything;
      default = true;
      description = "Accepted: the flavour brings the network up.";
    };
    resolvconf.enable = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted: the flavour brings the network up.";
    };
    firewall = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = "Accepted; nodes of the stand-in have no firewall of their own.";
      };
      allowedTCPPorts = ports;
      allowedUDPPorts = ports;
      allowedTCPPortRanges = mkOption {
        type = types.listOf (types.attrsOf types.port);
        default = [ ];
        description = "Ports that a firewall would open.";
      };
      allowedUDPPortRanges = mkOption {
        type = types.listOf (types.attrsOf types.port);
        default = [ ];
        description = "Ports that a firewall would open.";
      };
      allowPing = mkOption { type = types.bool; default = true; description = "Accepted."; };
      trustedInterfaces = mkOption { type = types.listOf types.str; default = [ ]; description = "Accepted."; };
      checkReversePath = mkOption { type = types.anything; default = true; description = "Accepted."; };
      extraCommands = mkOption { type = types.lines; default = ""; description = "Accepted."; };
      rejectPackets = mkOption { type = types.bool; default = false; description = "Accepted."; };
    } // lib.options.mkIgnoredOptions [
      "autoLoadConntrackHelpers" "connectionTrackingModules" "extraPackages" "extraStopCommands" "interfaces"
      "logRefusedConnections" "logRefusedPackets" "logRefusedUnicastsOnly" "logReversePathDrops" "package" "pingLimit"
    ];
  };
  config = {
    networking.firewall.trustedInterfaces = lib.mkIf cfg.firewall.enable [ "lo" ];
    system.build.extraHosts = lib.concatStrings
      (lib.mapAttrsToList (address: names: "${address} ${lib.concatStringsSep " " names}\n")
        (lib.filterAttrs (_: names: names != [ ]) cfg.hosts)) + cfg.extraHosts;
    environment.etc."nsswitch.conf".text = ''
      passwd: files
      group: files
      shadow: files
      hosts: files myhostname dns
      networks: files
      ethers: files
      services: files
      protocols: files
      rpc: files
    '';
  };
}
