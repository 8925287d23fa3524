# What is in a role's system, as far as its evaluation tells: enough to say what
# a change changes, before anything is built.
{ lib }:
let
  short = text: builtins.substring 0 12 (builtins.hashString "sha256" text);
  plain = builtins.unsafeDiscardStringContext;

  # The distribution's version says more than upstream's: a security fix changes
  # only its last part.
  package = p: {
    name = p.pname or (lib.getName p);
    version = toString (p.debianVersion or (p.version or (lib.getVersion p)));
  };
  # All that nodes of the stand-in take from the distribution beside that.
  tree = host: {
    name = "${host.distribution}-tree";
    version = plain (builtins.substring 11 7 host.tree);
  };

  # A service's program need not be on anybody's PATH: what a unit's text depends
  # on tells it.
  ofUnit = u:
    let
      context = builtins.getContext (toString (u.text or "") + lib.concatStrings (lib.attrValues u.scripts or { }));
      entry = path:
        let base = builtins.substring 33 (-1) (baseNameOf path);
        in builtins.parseDrvName (lib.removeSuffix ".drv" base);
    in
    # Files that a unit names are no packages, even where a number is in them.
    builtins.filter
      (e: builtins.match "[0-9].*" e.version != null && builtins.match ".*[.](conf|json|service|sh)" e.version == null)
      (map entry (lib.attrNames context));

  packages = config:
    let
      listed = map package (builtins.filter (p: p != null) config.environment.systemPackages);
      known = lib.genAttrs (map (p: p.name) listed) (_: true);
      run = lib.concatMap ofUnit (lib.filter (u: u.enable) (lib.attrValues config.systemd.units));
      before = a: b: a.name < b.name || a.name == b.name && a.version < b.version;
    in
    builtins.sort before (lib.unique (listed ++ builtins.filter (p: !(known ? ${p.name})) run));

  # A unit that has no text of its own is the package's, wanted or masked here.
  unit = u: short (builtins.toJSON [
    (if u.text or null == null then "" else plain u.text)
    (builtins.mapAttrs (_: plain) u.scripts or { })
    u.enable
    u.wantedBy or [ ]
    u.requiredBy or [ ]
  ]);
  file = f: short (plain (if f.text or null != null then f.text else toString f.source));
in
{ config, pkgs, ... }:
{
  packages = packages config ++ lib.optional (pkgs ? standin) (tree pkgs.standin);
  units = builtins.mapAttrs (_: unit) config.systemd.units;
  etc = lib.mapAttrs' (_: f: lib.nameValuePair f.target (file f))
    (lib.filterAttrs (n: f: f.enable && !lib.hasPrefix "systemd/" f.target) config.environment.etc);
  kernel =
    if config.boot.isContainer then { name = ""; version = ""; params = [ ]; }
    else {
      name = config.boot.kernelPackages.kernel.pname or (lib.getName config.boot.kernelPackages.kernel);
      inherit (config.boot.kernelPackages.kernel) version;
      params = map plain config.boot.kernelParams;
    };
  users = lib.mapAttrsToList (_: u: u.name) (lib.filterAttrs (_: u: u.isNormalUser) config.users.users);
  options = config.nxc.manifest;
}
