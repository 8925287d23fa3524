# Makes a system boot as a container: no kernel, no devices, no network of its
# own, and nothing that waits for them.
{ config, lib, ... }:
let
  shared = lib.attrNames config.nxc.sharedDirs;
in
{
  boot.isContainer = true;
  boot.specialFileSystems = lib.mkForce { };

  # The engine brings the network, the names and the host name.
  networking.hostName = lib.mkDefault "";
  networking.useDHCP = lib.mkForce false;
  networking.firewall.enable = lib.mkForce false;

  systemd.services.systemd-logind.enable = lib.mkDefault false;
  systemd.services.console-getty.enable = lib.mkDefault false;
  systemd.services."getty@tty1".enable = lib.mkDefault false;
  systemd.services."autovt@".enable = lib.mkDefault false;

  # Units of systemd that have nothing to do here, or fail without power over
  # the host.
  systemd.suppressedSystemUnits = [
    "dev-hugepages.mount"
    "dev-mqueue.mount"
    "sys-fs-fuse-connections.mount"
    "sys-kernel-config.mount"
    "sys-kernel-debug.mount"
    "sys-kernel-tracing.mount"
    "proc-sys-fs-binfmt_misc.automount"
    "systemd-remount-fs.service"
    "systemd-modules-load.service"
    "systemd-udevd.service"
    "systemd-udev-trigger.service"
  ];

  # Roles share folders through one volume, mounted at /var/nxc/shared.
  system.activationScripts = lib.mkIf (shared != [ ]) {
    nxc-shared.text = lib.concatMapStrings
      (folder: ''
        mkdir -p /var/nxc/shared${folder} "$(dirname ${folder})"
        [ -e ${folder} ] || ln -s /var/nxc/shared${folder} ${folder}
      '')
      shared;
    users.deps = [ "nxc-shared" ];
  };
}
