# Folders that machines share (nxc.sharedDirs), by NFS: the node that exports one
# is its server, and the others mount it when it is first used, so that no node
# waits for another to start. Users have the same numbers everywhere, as they are
# drawn from the same list.
{ config, lib, options, pkgs, ... }:
let
  shared = config.nxc.sharedDirs or { };
  exported = builtins.attrNames (lib.filterAttrs (_: s: s.export) shared);
  mounted = lib.filterAttrs (_: s: !s.export && s.server != "") shared;
  neither = builtins.attrNames (lib.filterAttrs (_: s: !s.export && s.server == "") shared);

  # A file system in memory has no number of its own by which clients know it.
  number = folder: toString (1 + lib.findFirst (i: builtins.elemAt exported i == folder) 0
    (lib.range 0 (builtins.length exported - 1)));
  export = folder: "${folder} *(rw,no_root_squash,no_subtree_check,crossmnt,fsid=${number folder})\n";

  # The stand-in has the kernel's NFS, and none of the programs around it.
  standin = {
    boot.kernelModules = lib.optional (exported != [ ]) "nfsd"
      ++ lib.optionals (mounted != { }) [ "autofs4" "nfs" "nfsv4" ];
    systemd.services = {
      nxc-exports = lib.mkIf (exported != [ ]) {
        description = "Folders for other machines";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        path = [ pkgs.util-linux ];
        serviceConfig = {
          Type = "simple";
          ExecStart = "${pkgs.python3}/bin/python3 ${pkgs.writeText "exports.py" (builtins.readFile ./exports.py)} /run/nxc-exports ${lib.escapeShellArgs exported}";
          Restart = "on-failure";
          RestartSec = 1;
          PrivateMounts = true; # what it mounts goes with it
        };
      };
    } // lib.mapAttrs'
      (folder: s: lib.nameValuePair "nxc-mount${dashed folder}" {
        description = "${folder} of ${s.server}";
        path = [ pkgs.util-linux pkgs.coreutils pkgs.gawk pkgs.getent ];
        serviceConfig = { Type = "oneshot"; RemainAfterExit = true; TimeoutStartSec = "10min"; };
        # Until the server is up, who asks for the folder waits.
        script = ''
          place=${lib.escapeShellArg "/run/nxc-mounts${folder}"}
          mkdir -p "$place"
          until address=$(getent ahostsv4 ${s.server} | awk '{ print $1; exit }') && [ -n "$address" ] &&
            timeout 10 mount -i -t nfs4 -o "vers=4.2,addr=$address,hard" ${lib.escapeShellArg "${s.server}:${folder}"} "$place"
          do sleep 0.3; done
        '';
      })
      mounted;
    systemd.mounts = lib.mapAttrsToList
      (folder: s: {
        where = folder;
        what = "/run/nxc-mounts${folder}";
        type = "none";
        options = "bind";
        requires = [ "nxc-mount${dashed folder}.service" ];
        after = [ "nxc-mount${dashed folder}.service" ];
        mountConfig.TimeoutSec = "10min";
      })
      mounted;
    systemd.automounts = map (folder: { where = folder; wantedBy = [ "multi-user.target" ]; }) (builtins.attrNames mounted);
  };
  dashed = builtins.replaceStrings [ "/" ] [ "-" ];
in
{
  config = lib.mkMerge [
    {
      warnings = map (folder: "nxc.sharedDirs.\"${folder}\" neither exports the folder nor names a server, so the machines of this role have their own") neither;
    }
    (if !(options.services ? nfs) then standin else (lib.mkMerge [
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
