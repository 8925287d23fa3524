# What is in a role's system, as far as its evaluation tells: enough to say what
# a change changes, before anything is built.
{ lib }:
let
  short = text: builtins.substring 0 12 (builtins.hashString "sha256" text);
  plain = builtins.unsafeDiscardStringContext;

  package = p: {
    name = p.pname or (lib.getName p);
    version = toString (p.version or (lib.getVersion p));
  };
  packages = list:
    let entries = map package (builtins.filter (p: p != null) list);
    in builtins.sort (a: b: a.name < b.name || a.name == b.name && a.version < b.version) (lib.unique entries);

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
{ config, ... }:
{
  packages = packages config.environment.systemPackages;
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
