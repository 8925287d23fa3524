# Folders that machines share (nxc.sharedDirs), by NFS: the node that exports one
# is its server, and the others mount it when it is first used, so that no node
# waits for another to start. Users have the same numbers everywhere, as they are
# drawn from the same list.
{ config, lib, options, pkgs, ... }:
let
  shared = config.nxc.sharedDirs or { };
  isStandin = pkgs ? standin;
  exported = builtins.attrNames (lib.filterAttrs (_: s: s.export) shared);
  mounted = lib.filterAttrs (_: s: !s.export && s.server != "") shared;
  neither = builtins.attrNames (lib.filterAttrs (_: s: !s.export && s.server == "") shared);

  # A file system in memory has no number of its own by which clients know it.
  number = folder: toString (1 + lib.findFirst (i: builtins.elemAt exported i == folder) 0
    (lib.range 0 (builtins.length exported - 1)));
  export = folder: "${folder} *(rw,no_root_squash,no_subtree_check,crossmnt,fsid=${number folder})\n";
in
{
  config = lib.mkMerge [
    {
      warnings = lib.optional (isStandin && shared != { })
        "nxc.sharedDirs is not honoured on machines of the embedded stand-in, which has no NFS: ${lib.concatStringsSep ", " (builtins.attrNames shared)} is each machine's own; a real nixpkgs or the flavour docker shares it"
      ++ map (folder: "nxc.sharedDirs.\"${folder}\" neither exports the folder nor names a server, so the machines of this role have their own") (if isStandin then [ ] else neither);
    }
    (lib.optionalAttrs (options.services ? nfs) (lib.mkMerge [
      (lib.mkIf (exported != [ ]) {
        services.nfs.server = {
          enable = true;
          createMountPoints = true;
          exports = lib.concatMapStrings export exported;
        };
      })
      (lib.mkIf (mounted != { }) {
        fileSystems = builtins.mapAttrs
          (folder: s: {
            device = "${s.server}:${folder}";
            fsType = "nfs";
            # Until the server is up, who asks for the folder waits.
            options = [ "x-systemd.automount" "noauto" "_netdev" "retry=10" "x-systemd.mount-timeout=10min" ];
          })
          mounted;
      })
    ]))
  ];
}
