# The system itself: /etc, the programs, and the init that puts them in place.
#
# It is three derivations: system-path (programs), etc (files, units and their
# scripts) and the toplevel (init and links), so that a changed line builds in a
# moment.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types filterAttrs mapAttrsToList concatMapStrings optionalString escapeShellArg;
  host = pkgs.standin;
  cfg = config.system;

  # --- /etc -------------------------------------------------------------------

  # Files of the distribution that programs expect in /etc.
  fromTree = [
    "bindresvport.blacklist" "ethertypes" "gai.conf" "host.conf" "iproute2"
    "ld.so.conf" "ld.so.conf.d" "login.defs" "mime.types" "netconfig" "protocols"
    "rpc" "services" "xattr.conf" "ssh/moduli" "security/access.conf"
    "security/group.conf" "security/namespace.conf" "security/pam_env.conf"
    "security/time.conf" "ssl/openssl.cnf" "udev"
  ];

  # A file of an exact text, whatever it holds.
  write = path: text: "printf %s ${quoted text} > ${escapeShellArg path}\n";
  quoted = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";

  files = builtins.filter (f: f.enable) (lib.attrValues config.environment.etc);
  # Files that the engine or nxc mounts or writes are never part of the system.
  outside = [ "hosts" "hostname" "resolv.conf" "passwd" "group" "shadow" "gshadow" ];
  linked = builtins.filter (f: f.mode == "symlink" && !(builtins.elem f.target outside)) files;
  copied = builtins.filter (f: f.mode != "symlink" && !(builtins.elem f.target outside)) files;
  owner = name: if name == "+0" then "root" else lib.removePrefix "+" name;
  folderOf = path: let parts = lib.init (lib.splitString "/" path); in lib.concatStringsSep "/" parts;
  folders = list: lib.unique (builtins.filter (d: d != "") (map folderOf list));

  place = root: file:
    let path = "${root}/${file.target}";
    in
    if file.text != null then write path file.text
    else if file.source != null then "ln -s ${escapeShellArg "${file.source}"} ${escapeShellArg path}\n"
    else throw "environment.etc.\"${file.target}\" has neither a text nor a source.";

  # --- Units ------------------------------------------------------------------

  unitCommands = set:
    let
      path = "units/${set.scope}";
      links = unit: kind: names: concatMapStrings
        (other: ''
          mkdir -p ${escapeShellArg "${path}/${other}.${kind}"}
          ln -sf ${escapeShellArg "../${unit.name}"} ${escapeShellArg "${path}/${other}.${kind}/${unit.name}"}
        '')
        names;
      upstream = name: "${host.tree}/usr/lib/systemd/${set.scope}/${name}";
      one = unit:
        if !unit.enable then "ln -s /dev/null ${escapeShellArg "${path}/${unit.name}"}\n"
        else
          optionalString (unit.text != null) ''
            file=${escapeShellArg "${path}/${unit.name}"}
            ${if unit.dropin then "if true; then" else "if [ -e ${escapeShellArg (upstream unit.name)} ]; then"}
              mkdir -p "$file.d"
              file=$file.d/overrides.conf
            fi
            printf %s ${quoted unit.text} > "$file"
          ''
          + links unit "wants" unit.wantedBy
          + links unit "requires" unit.requiredBy
          + links unit "upholds" unit.upheldBy
          + concatMapStrings (alias: "ln -sf ${escapeShellArg unit.name} ${escapeShellArg "${path}/${alias}"}\n") unit.aliases;
    in
    "mkdir -p ${path}\n" + concatMapStrings one set.units
    + lib.concatStrings (mapAttrsToList
      (name: text: write "libexec/${name}" text + "chmod +x ${escapeShellArg "libexec/${name}"}\n")
      set.scripts);

  etc = pkgs.runCommand "etc" { preferLocalBuild = true; allowSubstitutes = false; } ''
    mkdir -p "$out/etc" "$out/copies" "$out/libexec"
    cd "$out"
    ${optionalString (linked != [ ]) "mkdir -p ${lib.escapeShellArgs (map (d: "etc/${d}") (folders (map (f: f.target) linked)))}"}
    ${optionalString (copied != [ ]) "mkdir -p copies ${lib.escapeShellArgs (map (d: "copies/${d}") (folders (map (f: f.target) copied)))}"}
    ${concatMapStrings (place "etc") linked}
    ${concatMapStrings (place "copies") copied}
    ${unitCommands cfg.build.units}
    ${unitCommands cfg.build.userUnits}
    for name in ${toString fromTree}; do
      [ -e "${host.tree}/etc/$name" ] && [ ! -e "etc/$name" ] || continue
      mkdir -p "$(dirname "etc/$name")"
      ln -s "${host.tree}/etc/$name" "etc/$name"
    done
    ${write "copies.list" (concatMapStrings (f: "${f.mode} ${toString f.uid}:${toString f.gid} ${owner f.user}:${owner f.group} ${f.target}\n") copied)}
    ln -s /proc/mounts etc/mtab
    # systemd takes a link for another name of a unit only if it points to one in
    # the same folder.
    ln -s ${config.systemd.defaultUnit} units/system/default.target
    [ -e units/system/${config.systemd.defaultUnit} ] ||
      ln -s ${host.tree}/usr/lib/systemd/system/${config.systemd.defaultUnit} units/system/${config.systemd.defaultUnit}
    mkdir -p etc/systemd
    ln -s "$out/units/system" etc/systemd/system
    ln -s "$out/units/user" etc/systemd/user
    mkdir users
    ${write "users/passwd" cfg.build.users.passwd}
    ${write "users/group" cfg.build.users.group}
    ${write "users/shadow" cfg.build.users.shadow}
    ${write "users/gshadow" cfg.build.users.gshadow}
  '';

  # --- Activation ---------------------------------------------------------------

  scripts = lib.mapAttrs (_: s: if builtins.isString s then { text = s; deps = [ ]; } else s) cfg.activationScripts;
  order = lib.toposort (a: b: builtins.elem a scripts.${b}.deps or [ ]) (lib.attrNames scripts);
  activation = concatMapStrings
    (name: "# ${name}\n${scripts.${name}.text}\n")
    (order.result or (throw "system.activationScripts depend on each other in a circle: ${toString order.cycle}"));

  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  checked = value:
    # Values that nothing here reads are checked all the same.
    if failed == [ ] then builtins.deepSeq [ config.networking.firewall config.warnings ] value
    else throw "\nFailed assertions:\n${concatMapStrings (m: "- ${m}\n") failed}";

  toplevel = pkgs.runCommand "nixos-system-${if config.networking.hostName == "" then "node" else config.networking.hostName}-${cfg.nixos.label}"
    {
      inherit etc;
      inherit (host) tree busybox;
      path = cfg.path;
      version = cfg.nixos.label;
      kernelParams = config.boot.kernelParams;
      init = builtins.readFile ./init.sh;
      switch = builtins.readFile ./switch.sh;
      layEtc = builtins.readFile ./etc.sh;
      activation = activation;
      postBoot = config.boot.postBootCommands;
      extraHosts = cfg.build.extraHosts;
      passAsFile = [ "init" "switch" "layEtc" "activation" "postBoot" "extraHosts" ];
      preferLocalBuild = true;
      allowSubstitutes = false;
    } ''
    mkdir "$out" "$out/bin"
    fill() { sed -e "s|@out@|$out|g; s|@tree@|$tree|g; s|@busybox@|$busybox|g" "$1" > "$2"; }
    fill "$initPath" "$out/init"
    fill "$switchPath" "$out/bin/switch-to-configuration"
    chmod +x "$out/init" "$out/bin/switch-to-configuration"
    cp "$layEtcPath" "$out/etc.sh"
    # Only a script that exits on its own account is reported.
    { cat "$activationPath"; echo; echo true; } > "$out/activate"
    { cat "$postBootPath"; echo; echo true; } > "$out/post-boot"
    cp "$extraHostsPath" "$out/hosts"
    ln -s "$etc" "$out/etc-files"
    ln -s "$etc/etc" "$out/etc"
    ln -s "$path" "$out/sw"
    ln -s "$tree/usr" "$out/usr"
    ln -s "$tree/usr/lib/systemd" "$out/systemd"
    printf %s "$version" > "$out/nixos-version"
    printf %s "$kernelParams" > "$out/kernel-params"
    printf %s "$system" > "$out/system"
  '';
in
{
  options.system = {
    build = mkOption {
      type = types.lazyAttrsOf types.unspecified;
      default = { };
      description = "What can be built of the system.";
    };
    path = mkOption { type = types.package; internal = true; description = "All programs of the system."; };
    stateVersion = mkOption {
      type = types.str;
      default = lib.release;
      description = "The release that stateful services were first set up with.";
    };
    activationScripts = mkOption {
      type = types.attrsOf (types.either types.str (types.submodule {
        options = {
          text = mkOption { type = types.lines; default = ""; description = "The shell commands."; };
          deps = mkOption {
            type = types.listOf types.str;
            default = [ ];
            description = "Scripts that run before.";
          };
          supportsDryActivation = mkOption { type = types.bool; default = false; description = "Accepted."; };
        };
      }));
      default = { };
      description = "Shell commands run at boot, after /etc is in place and before systemd starts.";
    };
    extraDependencies = mkOption {
      type = types.listOf types.path;
      default = [ ];
      description = "Paths that belong to the system's closure.";
    };
    nixos = {
      label = mkOption { type = types.str; default = lib.version; description = "The name of this version."; };
      release = mkOption {
        type = types.str;
        default = lib.release;
        description = "The release that the stand-in resembles.";
      };
      version = mkOption {
        type = types.str;
        default = lib.version;
        description = "The version that the stand-in resembles.";
      };
    };
    extraSystemBuilderCmds = lib.options.mkIgnoredOption;
    checks = lib.options.mkIgnoredOption;
    replaceRuntimeDependencies = lib.options.mkIgnoredOption;
  };

  config = {
    system.build = {
      inherit etc;
      toplevel = checked toplevel;
    };
    system.activationScripts = {
      users.text = cfg.build.users.script;
      etc = "";
      specialfs = "";
      binsh = "";
      groups = "";
    };
    environment.etc = {
      "os-release".text = ''
        NAME="NixOS (stand-in on ${host.label})"
        ID=nixos
        VERSION_ID="${lib.release}"
        PRETTY_NAME="NixOS (stand-in on ${host.label})"
      '';
      "NIXOS".text = "";
    };
  };
}
