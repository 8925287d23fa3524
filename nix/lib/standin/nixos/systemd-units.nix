# Options of each kind of unit, and their texts.
{ lib, pkgs }:
let
  inherit (lib) mkOption types concatStringsSep optionalString optionalAttrs mapAttrsToList concatMapStrings;

  setting = types.oneOf [ types.bool types.int types.float types.str types.path types.package ];
  section = mkOption {
    type = types.attrsOf (types.nullOr (types.either setting (types.listOf setting)));
    default = { };
    description = "Lines of the section; a list repeats its key.";
  };
  names = what: mkOption { type = types.listOf types.str; default = [ ]; description = what; };
  script = what: mkOption { type = types.lines; default = ""; description = what; };

  # Dependencies that are written into [Unit], by their names there.
  dependencies = {
    requires = "Requires";
    wants = "Wants";
    bindsTo = "BindsTo";
    partOf = "PartOf";
    upholds = "Upholds";
    conflicts = "Conflicts";
    requisite = "Requisite";
    before = "Before";
    after = "After";
    onFailure = "OnFailure";
    onSuccess = "OnSuccess";
  };

  basic = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the unit may run; false masks it.";
    };
    overrideStrategy = mkOption {
      type = types.enum [ "asDropinIfExists" "asDropin" ];
      default = "asDropinIfExists";
      description = "Whether a unit of the distribution is completed rather than replaced.";
    };
    wantedBy = names "Units that want this one.";
    requiredBy = names "Units that require this one.";
    upheldBy = names "Units that uphold this one.";
    aliases = names "Other names of the unit.";
  };
  common = basic // lib.mapAttrs (_: key: names "${key}= of the unit.") dependencies // {
    description = mkOption { type = types.singleLineStr; default = ""; description = "What the unit is."; };
    documentation = names "Where to read about it.";
    unitConfig = section;
    startLimitBurst = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "How often it may start within the interval.";
    };
    startLimitIntervalSec = mkOption {
      type = types.nullOr types.int;
      default = null;
      description = "The interval of startLimitBurst.";
    };
    stopIfChanged = mkOption {
      type = types.bool;
      default = true;
      description = "Whether it stops before a running node takes on another system in which it differs, and starts after; false restarts it after.";
    };
    restartIfChanged = mkOption {
      type = types.bool;
      default = true;
      description = "Whether it restarts when a running node takes on another system in which it differs.";
    };
    reloadIfChanged = mkOption {
      type = types.bool;
      default = false;
      description = "Whether it is reloaded rather than restarted then.";
    };
    restartTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Values that make it another unit, which restarts.";
    };
    reloadTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Values that make it another unit, which reloads.";
    };
  };

  serviceOptions = common // {
    environment = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package types.int ]));
      default = { };
      description = "Variables of the service.";
    };
    path = mkOption {
      type = types.listOf (types.oneOf [ types.package types.str ]);
      default = [ ];
      description = "Packages whose programs are on the service's PATH.";
    };
    serviceConfig = section;
    script = script "What the service runs, as a shell script.";
    scriptArgs = mkOption { type = types.str; default = ""; description = "Arguments of the script."; };
    preStart = script "Run before the service.";
    postStart = script "Run after the service has started.";
    reload = script "Run to reload the service.";
    preStop = script "Run to stop the service.";
    postStop = script "Run after the service has stopped.";
    startAt = mkOption {
      type = types.either types.str (types.listOf types.str);
      default = [ ];
      apply = lib.toList;
      description = "When a timer starts the service, as in systemd.time(7).";
    };
    enableDefaultPath = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the usual programs are on the service's PATH.";
    };
    enableStrictShellChecks = mkOption {
      type = types.bool;
      default = false;
      description = "Accepted for compatibility with NixOS.";
    };
    confinement = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = "Accepted; without effect in containers.";
    };
  };

  # --- Texts -----------------------------------------------------------------

  value = v: if v == true then "true" else if v == false then "false" else toString v;
  line = key: v:
    if v == null then ""
    else if builtins.isList v then concatMapStrings (line key) v
    else "${key}=${value v}\n";
  lines = set: lib.concatStrings (mapAttrsToList line set);
  sectionText = name: set: let text = lines set; in optionalString (text != "") "\n[${name}]\n${text}";

  unitSection = unit:
    let
      listed = lib.filterAttrs (_: v: v != "") (lib.mapAttrs' (option: key: lib.nameValuePair key (concatStringsSep " " unit.${option})) dependencies);
      digest = values: builtins.hashString "sha256" (concatStringsSep " " (map toString values));
    in
    "[Unit]\n" + lines (
      optionalAttrs (unit.description != "") { Description = unit.description; }
      // optionalAttrs (unit.documentation != [ ]) { Documentation = concatStringsSep " " unit.documentation; }
      // listed
      // optionalAttrs (unit.startLimitBurst != null) { StartLimitBurst = unit.startLimitBurst; }
      // optionalAttrs (unit.startLimitIntervalSec != null) { StartLimitIntervalSec = unit.startLimitIntervalSec; }
      // optionalAttrs (unit.restartTriggers != [ ]) { X-Restart-Triggers = digest unit.restartTriggers; }
      // optionalAttrs (unit.reloadTriggers != [ ]) { X-Reload-Triggers = digest unit.reloadTriggers; }
      // unit.unitConfig
    );

  # Programs that services find without saying so, as in NixOS.
  defaultPath = pkgs.buildEnv {
    name = "unit-path";
    paths = [ pkgs.coreutils pkgs.findutils pkgs.gnugrep pkgs.gnused pkgs.systemd ];
    pathsToLink = [ "/bin" ];
  };

  # Scripts lie beside the units, in the same store path; `root` stands for it.
  root = builtins.placeholder "out";
  scriptsOf = name: unit:
    let
      one = what: text: optionalAttrs (text != "") {
        "${fileName name}-${what}" = "#!${pkgs.standin.bash} -e\n${text}\n";
      };
    in
    one "start" unit.script // one "pre-start" unit.preStart // one "post-start" unit.postStart
    // one "reload" unit.reload // one "pre-stop" unit.preStop // one "post-stop" unit.postStop;
  fileName = lib.replaceStrings [ "@" "\\" ] [ "-at-" "-" ];
  runs = name: what: "${root}/libexec/${fileName name}-${what}";

  serviceText = name: unit:
    let
      path = lib.unique (map (p: if builtins.isString p then p else "${lib.getBin p}/bin") unit.path
        ++ lib.optional unit.enableDefaultPath "${defaultPath}/bin");
      environment = { PATH = concatStringsSep ":" path; LOCALE_ARCHIVE = null; TZDIR = "/usr/share/zoneinfo"; } // unit.environment;
      variables = lib.filterAttrs (_: v: v != null) environment;
      own = unit.serviceConfig;
      commands =
        optionalAttrs (unit.preStart != "") { ExecStartPre = [ (runs name "pre-start") ] ++ lib.toList (own.ExecStartPre or [ ]); }
        // optionalAttrs (unit.postStart != "") { ExecStartPost = [ (runs name "post-start") ] ++ lib.toList (own.ExecStartPost or [ ]); }
        // optionalAttrs (unit.reload != "") { ExecReload = runs name "reload"; }
        // optionalAttrs (unit.preStop != "") { ExecStop = [ (runs name "pre-stop") ] ++ lib.toList (own.ExecStop or [ ]); }
        // optionalAttrs (unit.postStop != "") { ExecStopPost = [ (runs name "post-stop") ] ++ lib.toList (own.ExecStopPost or [ ]); };
      # For whoever changes the system of a running node.
      changing =
        (if unit.reloadIfChanged then { X-ReloadIfChanged = true; }
        else optionalAttrs (!unit.restartIfChanged) { X-RestartIfChanged = false; })
        // optionalAttrs (!unit.stopIfChanged) { X-StopIfChanged = false; };
    in
    sectionText "Service" ({
      Environment = mapAttrsToList (n: v: builtins.toJSON "${n}=${toString v}") variables;
    } // own // commands // changing);

  # An upstream unit that is only wanted or masked needs no text of its own.
  isBare = unit:
    unit.unitConfig == { } && unit.description == "" && unit.after == [ ] && unit.before == [ ] && unit.requires == [ ]
    && unit.wants == [ ] && unit.partOf == [ ] && unit.bindsTo == [ ] && unit.conflicts == [ ] && unit.onFailure == [ ]
    && unit.documentation == [ ] && unit.restartTriggers == [ ] && unit.reloadTriggers == [ ];
  isBareService = unit:
    isBare unit && unit.serviceConfig == { } && unit.environment == { } && unit.path == [ ]
    && unit.script == "" && unit.preStart == "" && unit.postStart == "" && unit.reload == "" && unit.preStop == "" && unit.postStop == "";

  inner = {
    service = unit: name: serviceText name unit;
    timer = unit: _: sectionText "Timer" unit.timerConfig;
    socket = unit: _: sectionText "Socket" (unit.socketConfig
      // optionalAttrs (unit.listenStreams != [ ]) { ListenStream = unit.listenStreams; }
      // optionalAttrs (unit.listenDatagrams != [ ]) { ListenDatagram = unit.listenDatagrams; });
    target = _: _: "";
    path = unit: _: sectionText "Path" unit.pathConfig;
    slice = unit: _: sectionText "Slice" unit.sliceConfig;
    mount = unit: _: sectionText "Mount" ({ What = unit.what; Where = unit.where; Type = unit.type; Options = unit.options; } // unit.mountConfig);
    automount = unit: _: sectionText "Automount" ({ Where = unit.where; } // unit.automountConfig);
  };
in
{
  inherit basic;
  service = { name, config, ... }: {
    options = serviceOptions;
    # Beside another command, the two conflict.
    config.serviceConfig = lib.mkIf (config.script != "") { ExecStart = "${runs name "start"} ${config.scriptArgs}"; };
  };
  timer.options = common // { timerConfig = section; };
  socket.options = common // { socketConfig = section; listenStreams = names "Addresses of streams."; listenDatagrams = names "Addresses of datagrams."; };
  target.options = common;
  path.options = common // { pathConfig = section; };
  slice.options = common // { sliceConfig = section; };
  mount.options = common // {
    what = mkOption { type = types.str; description = "The device or folder."; };
    where = mkOption { type = types.str; description = "The mount point."; };
    type = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The type of file system.";
    };
    options = mkOption { type = types.nullOr types.str; default = null; description = "Mount options."; };
    mountConfig = section;
  };
  automount.options = common // {
    where = mkOption { type = types.str; description = "The mount point."; };
    automountConfig = section;
  };

  # A unit of a kind as { enable, text, wantedBy, … }.
  render = suffix: name: unit: {
    inherit (unit) enable wantedBy requiredBy upheldBy aliases overrideStrategy;
    text =
      if !unit.enable || (if suffix == "service" then isBareService unit else suffix == "target" && isBare unit) then null
      else unitSection unit + inner.${suffix} unit name;
    scripts = optionalAttrs (suffix == "service" && unit.enable) (scriptsOf name unit);
  };

  # What the builder of /etc needs of a set of units.
  folder = scope: set: {
    inherit scope;
    units = mapAttrsToList
      (name: unit: {
        inherit name;
        inherit (unit) enable text wantedBy requiredBy upheldBy aliases;
        dropin = unit.overrideStrategy or "" == "asDropin";
      })
      set;
    scripts = lib.foldl' (all: unit: all // unit.scripts) { } (lib.attrValues set);
  };
}
