# Units of every kind: what several modules say, and the texts that they become.
{ eval, lib, ... }:
let
  evaluate = modules: (eval (modules ++ [ { boot.isContainer = true; documentation.nixos.enable = false; system.stateVersion = "19.09"; } ])).config;
  c = evaluate [
    ({ pkgs, ... }: {
      systemd.services = {
        list = { serviceConfig = { ExecStart = [ "" "/bin/two" ]; ExecStartPre = [ "/bin/p1" "/bin/p2" ]; Environment = "A=b"; }; };
        scalars = { serviceConfig = { Type = "oneshot"; RemainAfterExit = true; PrivateTmp = false; LimitNOFILE = 1024; TimeoutStartSec = "5min"; ExecStart = "/bin/true"; }; };
        merged = { wantedBy = [ "multi-user.target" ]; after = [ "a.service" ]; serviceConfig = { ExecStart = "/bin/weak"; User = lib.mkDefault "nobody"; Nice = 5; }; environment = { B = "2"; }; };
        relations = {
          before = [ "b.service" ]; wants = [ "w.service" ]; bindsTo = [ "d.device" ]; partOf = [ "p.target" ]; conflicts = [ "c.service" ]; requisite = [ "r.service" ];
          onFailure = [ "f.service" ]; documentation = [ "man:true(1)" "https://example.org" ]; requiredBy = [ "q.service" ];
          unitConfig = { ConditionPathExists = [ "/a" "!/b" ]; DefaultDependencies = false; };
          serviceConfig.ExecStart = "/bin/true";
        };
        scripts = { preStart = "echo pre"; script = "echo start"; postStart = "echo post"; preStop = "echo stop"; reload = "echo reload"; postStop = "echo gone"; serviceConfig.Restart = "on-failure"; };
        quoted = { environment = { SPACE = "a b"; QUOTE = "say \"hi\""; PERCENT = "50%"; DOLLAR = "$HOME"; BACKSLASH = "a\\b"; }; serviceConfig.ExecStart = "/bin/true"; };
        "template@" = { description = "One of many"; serviceConfig.ExecStart = "/bin/run %i"; };
        off.enable = false;
        changes = { restartIfChanged = false; stopIfChanged = false; reloadIfChanged = true; serviceConfig.ExecStart = "/bin/true"; };
        times = { startAt = [ "hourly" "Mon *-*-* 00:00:00" ]; script = "true"; };
      };
      systemd.timers.weekly = { description = "Weekly"; wantedBy = [ "timers.target" ]; partOf = [ "list.service" ]; timerConfig = { OnCalendar = "weekly"; Persistent = true; Unit = "list.service"; RandomizedDelaySec = 30; }; };
      systemd.sockets.two = { description = "Two"; wantedBy = [ "sockets.target" ]; listenStreams = [ "80" "/run/two.sock" ]; socketConfig = { SocketMode = "0600"; SocketUser = "root"; }; };
      systemd.paths.watch = { wantedBy = [ "paths.target" ]; pathConfig = { PathChanged = "/etc/app"; }; };
      systemd.slices.work = { description = "Work"; sliceConfig = { CPUQuota = "50%"; MemoryMax = "1G"; }; };
      systemd.targets.group = { wants = [ "a.service" ]; after = [ "b.target" ]; unitConfig.AllowIsolate = true; };
      systemd.mounts = [ { what = "tmpfs"; where = "/mnt/a-b"; type = "tmpfs"; options = "mode=0700"; wantedBy = [ "local-fs.target" ]; } ];
      systemd.automounts = [ { where = "/mnt/auto"; automountConfig.TimeoutIdleSec = "600"; wantedBy = [ "multi-user.target" ]; } ];
      systemd.tmpfiles.rules = [ "d /a 0755 root root -" "L+ /b - - - - /c" ];
    })
    {
      systemd.services.merged = { after = [ "z.service" ]; wantedBy = [ "other.target" ]; serviceConfig.ExecStart = lib.mkForce "/bin/strong"; serviceConfig.User = "root"; environment = { A = "1"; B = lib.mkForce "9"; GONE = null; }; description = "Merged"; };
      systemd.tmpfiles.rules = lib.mkAfter [ "z /d" ];
      systemd.services.optional = lib.mkIf false { script = "true"; };
      systemd.services.scripts.preStart = lib.mkBefore "echo earlier";
    }
  ];
  # Without what carries store paths, and in one order. Newer releases also write
  # who wants a unit into its text.
  unit = name: lib.sort lib.lessThan (lib.filter
    (line: line != "" && !(lib.hasInfix "PATH=" line) && !(lib.hasInfix "LOCALE_ARCHIVE" line) && !(lib.hasInfix "TZDIR" line) && !(lib.hasInfix "/nix/store" line) && !(lib.hasInfix "/libexec/" line)
      && line != "[Install]" && !(lib.hasPrefix "WantedBy=" line) && !(lib.hasPrefix "RequiredBy=" line))
    (lib.splitString "\n" c.systemd.units.${name}.text));
  wanted = name: { inherit (c.systemd.units.${name}) wantedBy requiredBy enable; };
  has = key: name: lib.any (lib.hasPrefix "${key}=") (lib.splitString "\n" c.systemd.units.${name}.text);
  refuses = module: !(builtins.tryEval (evaluate [ module ]).system.build.toplevel.drvPath).success;
in
{
  texts = lib.genAttrs [
    "list.service" "scalars.service" "merged.service" "relations.service" "quoted.service" "template@.service" "changes.service" "times.timer" "weekly.timer"
    "two.socket" "watch.path" "work.slice" "group.target" "mnt-a\\x2db.mount" "mnt-auto.automount"
  ] unit;
  wanted = lib.genAttrs [ "merged.service" "relations.service" "weekly.timer" "two.socket" "watch.path" "mnt-a\\x2db.mount" "times.timer" ] wanted;
  masked = { inherit (c.systemd.units."off.service") enable; };
  commands = lib.genAttrs [ "ExecStartPre" "ExecStart" "ExecStartPost" "ExecReload" "ExecStop" "ExecStopPost" "Restart" ] (key: has key "scripts.service");
  preStart = c.systemd.services.scripts.preStart;
  tmpfiles = lib.filter (rule: lib.elem rule [ "d /a 0755 root root -" "L+ /b - - - - /c" "z /d" ]) c.systemd.tmpfiles.rules;
  optional = c.systemd.services ? optional;
  serviceConfig = { inherit (c.systemd.services.merged.serviceConfig) ExecStart User Nice; };
  refused = lib.mapAttrs (_: refuses) {
    nothingWrong = { };
    twoCommands = { imports = [ { systemd.services.a.serviceConfig.ExecStart = "/bin/a"; } ]; systemd.services.a.serviceConfig.ExecStart = "/bin/b"; };
    twoScripts = { systemd.services.a = { script = "true"; serviceConfig.ExecStart = "/bin/b"; }; };
    wantedByIsAList = { systemd.services.a = { script = "true"; wantedBy = "multi-user.target"; }; };
    scriptIsText = { systemd.services.a.script = 1; };
    unknownOfService = { systemd.services.a = { script = "true"; wantedby = [ ]; }; };
    unknownOfTimer = { systemd.timers.a.onCalendar = "daily"; };
    environmentIsText = { systemd.services.a = { script = "true"; environment.A = { }; }; };
    serviceConfigIsASet = { systemd.services.a.serviceConfig = "x"; };
    enableIsBool = { systemd.services.a = { script = "true"; enable = "yes"; }; };
    rulesAreTexts = { systemd.tmpfiles.rules = [ 1 ]; };
    mountsAreAList = { systemd.mounts.a.where = "/a"; };
    startAtIsText = { systemd.services.a = { script = "true"; startAt = 4; }; };
    kindOfUnit = { systemd.timer.a = { }; };
  };
}
