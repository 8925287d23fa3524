# NixOS: options of compositions, and the texts that they become.
{ eval, lib, ... }:
let
  evaluate = module: (eval [ module { boot.isContainer = true; system.stateVersion = "19.09"; } ]).config;
  c = evaluate ({ config, pkgs, lib, ... }: {
    services.nginx.enable = true;
    services.nginx.virtualHosts.site.root = "/srv/www";
    services.nginx.virtualHosts.site.locations."/api".proxyPass = "http://backend:8000";
    services.openssh.enable = true;
    networking.hosts."192.0.2.1" = [ "gateway" "gw" ];
    networking.firewall.allowedTCPPorts = [ 80 443 ];
    users.users.alice = { isNormalUser = true; extraGroups = [ "wheel" ]; uid = 1007; openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA alice" ]; };
    users.groups.staff.gid = 700;
    environment.etc."app/settings".text = "a=1\n";
    environment.variables.EDITOR = "vi";
    time.timeZone = "Europe/Paris";
    systemd.services.app = {
      description = "The app";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" "nginx.service" ];
      requires = [ "nginx.service" ];
      environment.LEVEL = "debug";
      serviceConfig = { ExecStart = "/bin/app --port 80"; Restart = "always"; RestartSec = 3; CapabilityBoundingSet = [ "CAP_A" "CAP_B" ]; };
      unitConfig.ConditionPathExists = "/etc/app";
    };
    systemd.services.backup = { startAt = "daily"; script = "true"; };
    systemd.timers.tick = { wantedBy = [ "timers.target" ]; timerConfig.OnBootSec = "10s"; };
    systemd.sockets.echo = { wantedBy = [ "sockets.target" ]; listenStreams = [ "7" ]; socketConfig.Accept = true; };
    systemd.targets.app = { description = "All of it"; wants = [ "app.service" ]; };
    systemd.tmpfiles.rules = [ "d /srv/www 0755 root root -" ];
    boot.kernelParams = [ "isolcpus=1" ];
    boot.kernel.sysctl."net.core.somaxconn" = 1024;
  });
  # Lines of a unit, without those that carry store paths and in one order. Newer
  # releases also write who wants a unit into its text.
  unitLines = name: lib.sort lib.lessThan (lib.filter
    (line: line != "" && !(lib.hasInfix "PATH=" line) && !(lib.hasInfix "LOCALE_ARCHIVE" line) && !(lib.hasInfix "TZDIR" line) && !(lib.hasInfix "/nix/store" line) && !(lib.hasInfix "/libexec/" line) && !(lib.hasPrefix "X-" line) && line != "[Install]" && !(lib.hasPrefix "WantedBy=" line))
    (lib.splitString "\n" c.systemd.units.${name}.text));
in
{
  nginx = { inherit (c.services.nginx) enable user group; host = { inherit (c.services.nginx.virtualHosts.site) root serverName default; proxy = c.services.nginx.virtualHosts.site.locations."/api".proxyPass; }; };
  ssh = { inherit (c.services.openssh) enable ports; };
  alice = { inherit (c.users.users.alice) uid group home isNormalUser extraGroups createHome description name; keys = c.users.users.alice.openssh.authorizedKeys.keys; };
  root = { inherit (c.users.users.root) uid home; };
  nobody = { inherit (c.users.users.nobody) uid group; };
  groups = { inherit (c.users.groups.staff) gid; wheel = c.users.groups.wheel.gid; users = c.users.groups.users.gid; systemd-journal = c.users.groups.systemd-journal.gid; nogroup = c.users.groups.nogroup.gid; };
  ports = c.networking.firewall.allowedTCPPorts;
  hosts = c.networking.hosts."192.0.2.1";
  etc = { inherit (c.environment.etc."app/settings") text mode target; };
  variables = { inherit (c.environment.variables) EDITOR; };
  zone = c.time.timeZone;
  kernelParam = lib.elem "isolcpus=1" c.boot.kernelParams;
  sysctl = c.boot.kernel.sysctl."net.core.somaxconn";
  tmpfiles = lib.elem "d /srv/www 0755 root root -" c.systemd.tmpfiles.rules;
  app = unitLines "app.service";
  backup = { lines = unitLines "backup.service"; timer = unitLines "backup.timer"; timerWantedBy = c.systemd.units."backup.timer".wantedBy; };
  tick = unitLines "tick.timer";
  echo = unitLines "echo.socket";
  target = unitLines "app.target";
  wantedBy = { app = c.systemd.units."app.service".wantedBy; nginx = c.systemd.units."nginx.service".wantedBy; };
}
