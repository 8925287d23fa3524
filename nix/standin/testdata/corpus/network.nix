# Names, hosts and the firewall.
{ eval, lib, ... }:
let
  evaluate = modules: (eval (modules ++ [ { boot.isContainer = true; documentation.nixos.enable = false; system.stateVersion = "19.09"; } ])).config;
  c = evaluate [
    {
      networking.hostName = lib.mkDefault "weak";
      networking.domain = "example.org";
      networking.hosts = { "192.0.2.1" = [ "gateway" ]; "192.0.2.2" = [ "db" "db.example.org" ]; "2001:db8::1" = [ "six" ]; };
      networking.extraHosts = "192.0.2.9 last";
      networking.nameservers = [ "192.0.2.53" ];
      networking.firewall = {
        enable = true;
        allowedTCPPorts = [ 22 80 ];
        allowedUDPPorts = [ 53 ];
        allowedTCPPortRanges = [ { from = 8000; to = 8010; } ];
        trustedInterfaces = [ "eth1" ];
        allowPing = false;
        extraCommands = "true";
      };
      networking.useDHCP = false;
    }
    {
      networking.hostName = "strong";
      networking.hosts."192.0.2.1" = [ "gw" ];
      networking.extraHosts = lib.mkBefore "192.0.2.8 first";
      networking.firewall.allowedTCPPorts = [ 443 ];
      networking.nameservers = [ "192.0.2.54" ];
    }
  ];
  off = evaluate [ { networking.firewall.enable = false; } ];
  refuses = module: !(builtins.tryEval (evaluate [ module ]).system.build.toplevel.drvPath).success;
in
{
  name = { inherit (c.networking) hostName domain; };
  hosts = { inherit (c.networking.hosts) "192.0.2.1" "192.0.2.2" "2001:db8::1"; };
  extra = lib.filter (l: lib.hasPrefix "192.0.2" l) (lib.splitString "\n" c.networking.extraHosts);
  nameservers = c.networking.nameservers;
  firewall = { inherit (c.networking.firewall) enable allowedTCPPorts allowedUDPPorts allowedTCPPortRanges trustedInterfaces allowPing; commands = lib.hasInfix "true" c.networking.firewall.extraCommands; };
  off = off.networking.firewall.enable;
  dhcp = c.networking.useDHCP;
  refused = lib.mapAttrs (_: refuses) {
    nothingWrong = { };
    portOutOfRange = { networking.firewall = { enable = true; allowedTCPPorts = [ 70000 ]; }; };
    portIsText = { networking.firewall = { enable = true; allowedTCPPorts = [ "80" ]; }; };
    portIsNoList = { networking.firewall = { enable = true; allowedTCPPorts = 80; }; };
    hostsAreLists = { networking.hosts."192.0.2.1" = "gateway"; };
    twoNames = { imports = [ { networking.hostName = "a"; } ]; networking.hostName = "b"; };
    nameIsText = { networking.hostName = 1; };
    unknown = { networking.hostname = "a"; };
    unknownOfFirewall = { networking.firewall.allowedTcpPorts = [ 1 ]; };
  };
}
