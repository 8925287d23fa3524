# Services that compositions use, and what several modules say of them.
{ eval, lib, ... }:
let
  evaluate = modules: (eval (modules ++ [ { boot.isContainer = true; documentation.nixos.enable = false; system.stateVersion = "19.09"; } ])).config;
  c = evaluate [
    {
      services.openssh = { enable = true; startWhenNeeded = false; ports = [ 2222 ]; extraConfig = "AllowTcpForwarding no"; openFirewall = false; };
      services.nginx = {
        enable = true;
        recommendedProxySettings = true;
        appendHttpConfig = "keepalive_timeout 5;";
        upstreams.backend.servers = { "a:80" = { }; "b:80" = { backup = true; }; };
        virtualHosts = {
          a = { default = true; root = "/srv/a"; listen = [ { addr = "0.0.0.0"; port = 8080; } ]; };
          b = { serverName = "b.example.org"; serverAliases = [ "www.b" ]; locations = { "/" = { root = "/srv/b"; index = "x.html"; }; "/api/" = { proxyPass = "http://backend"; extraConfig = "proxy_buffering off;"; }; "= /old" = { return = "301 /new"; }; }; };
        };
      };
    }
    {
      services.openssh.extraConfig = "PermitTunnel no";
      services.openssh.gatewayPorts = "clientspecified";
      services.openssh.useDns = true;
      services.nginx.virtualHosts.b.locations."/static/" = { alias = "/srv/static/"; tryFiles = "$uri =404"; };
      services.nginx.virtualHosts.a.root = lib.mkForce "/srv/forced";
      services.openssh.ports = [ 22 ];
    }
  ];
  d = (evaluate [ { services.openssh.enable = true; services.nginx.enable = true; services.nginx.virtualHosts.x = { }; } ]).services;
  off = evaluate [ { } ];
  location = name: let l = c.services.nginx.virtualHosts.b.locations.${name}; in { inherit (l) root alias index tryFiles proxyPass return extraConfig; };
  refuses = module: !(builtins.tryEval (evaluate [ module ]).system.build.toplevel.drvPath).success;
in
{
  ssh = { inherit (c.services.openssh) enable ports openFirewall; extra = lib.filter (l: lib.elem l [ "AllowTcpForwarding no" "PermitTunnel no" ]) (lib.splitString "\n" c.services.openssh.extraConfig); };
  sshFormer = { inherit (c.services.openssh) gatewayPorts useDns; };
  sshOpens = lib.elem 2222 c.networking.firewall.allowedTCPPorts;
  sshOpensByItself = lib.elem 22 (evaluate [ { services.openssh.enable = true; } ]).networking.firewall.allowedTCPPorts;
  sshUnit = { inherit (c.systemd.units."sshd.service") enable wantedBy; };
  sshDefaults = { inherit (d.openssh) ports openFirewall; };
  nginx = {
    inherit (c.services.nginx) enable recommendedProxySettings recommendedGzipSettings user group;
    a = { inherit (c.services.nginx.virtualHosts.a) default root serverName; listen = map (l: { inherit (l) addr port; }) c.services.nginx.virtualHosts.a.listen; };
    b = { inherit (c.services.nginx.virtualHosts.b) serverName serverAliases default root; };
    locations = lib.genAttrs [ "/" "/api/" "= /old" "/static/" ] location;
    upstream = lib.mapAttrs (_: s: s.backup) c.services.nginx.upstreams.backend.servers;
    defaults = { inherit (d.nginx.virtualHosts.x) root default serverName serverAliases extraConfig; };
    unit = { inherit (c.systemd.units."nginx.service") enable wantedBy; };
    account = { inherit (c.users.users.nginx) group; };
  };
  off = { ssh = off.services.openssh.enable; nginx = off.services.nginx.enable; sshd = off.systemd.services ? sshd; nginxUser = off.users.users ? nginx; };
  refused = lib.mapAttrs (_: refuses) {
    nothingWrong = { };
    sshPort = { services.openssh = { enable = true; ports = [ 70000 ]; }; };
    sshPortsAreAList = { services.openssh = { enable = true; ports = 22; }; };
    nginxRoot = { services.nginx = { enable = true; virtualHosts.a.root = "relative"; }; };
    nginxUnknown = { services.nginx = { enable = true; virtualHosts.a.rooot = "/srv"; }; };
    nginxUnknownLocation = { services.nginx = { enable = true; virtualHosts.a.locations."/".proxypass = "http://x"; }; };
    nginxTwoRoots = { imports = [ { services.nginx.virtualHosts.a.root = "/a"; } ]; services.nginx = { enable = true; virtualHosts.a.root = "/b"; }; };
    nginxEnableIsBool = { services.nginx.enable = "true"; };
    unknownSet = { servces.openssh.enable = true; };
  };
}
