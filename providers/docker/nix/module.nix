# Makes a system boot as a container: no kernel, no devices, no network of its
# own, and nothing that waits for them.
{ config, lib, options, pkgs, ... }:
let
  shared = lib.attrNames config.nxc.sharedDirs;

  # An option that NixOS took back is still declared, to say so.
  has = option: option.visible or true != false;

  # The switch-to-configuration of 24.11 and later asks logind for the users who
  # are logged in, and gives up half-way where nobody answers.
  asksLogind =
    let switch = options.system.switch or { };
    in switch ? enable && (if switch ? enableNg && has switch.enableNg then config.system.switch.enableNg else true);
in
{
  boot = {
    isContainer = true;
    specialFileSystems = lib.mkForce { };
    # With systemd in the first stage, which a container does not have, newer
    # releases leave out the second, which sets the system up.
    initrd = lib.optionalAttrs (options.boot.initrd ? systemd.enable && has options.boot.initrd.systemd.enable) {
      systemd.enable = lib.mkForce false;
    };
  } // lib.optionalAttrs (options.boot ? nixStoreMountOpts) {
    # The engine mounts the store read-only. Mounting it again takes power over
    # the host.
    nixStoreMountOpts = lib.mkForce [ ];
  };

  # The engine brings the network, the names and the host name.
  networking.hostName = lib.mkDefault "";
  networking.useDHCP = lib.mkForce false;
  networking.firewall.enable = lib.mkForce false;
  networking.resolvconf.enable = lib.mkForce false;
  environment.etc.hosts.enable = lib.mkForce false;

  services = {
    # NixOS has containers start a server for each connection, which makes the host
    # keys if need be: those that come at once disturb each other.
    openssh.startWhenNeeded = lib.mkOverride 900 false;
  } // lib.optionalAttrs (options.services ? getty.enable) {
    getty.enable = lib.mkDefault false; # nobody logs in on a terminal
  };

  # Units of systemd that have nothing to do here, or fail without power over
  # the host.
  systemd.services = lib.genAttrs ([
    "autovt@"
    "console-getty"
    "getty@tty1"
    "systemd-modules-load"
    "systemd-remount-fs"
    "systemd-udev-trigger"
    "systemd-udevd"
    "systemd-update-utmp"
    "systemd-update-utmp-runlevel"
  ] ++ lib.optional (!asksLogind) "systemd-logind") (_: { enable = lib.mkForce false; });
  # Only logind would have the system bus started, which the switch-to-configuration
  # of these releases asks for the units. The stand-in's asks nobody.
  systemd.sockets = lib.mkIf (!asksLogind && !(pkgs ? standin)) { dbus.wantedBy = [ "sockets.target" ]; };
  systemd.units = lib.genAttrs [
    "dev-hugepages.mount"
    "dev-mqueue.mount"
    "proc-sys-fs-binfmt_misc.automount"
    "sys-fs-fuse-connections.mount"
    "sys-kernel-config.mount"
    "sys-kernel-debug.mount"
    "sys-kernel-tracing.mount"
    "systemd-initctl.socket"
  ] (_: { enable = lib.mkForce false; });

  # Roles share folders through one volume, mounted at /var/nxc/shared.
  nxc.beforeUsers = lib.concatMapStrings
    (folder: ''
      mkdir -p /var/nxc/shared${folder} "$(dirname ${folder})"
      [ -e ${folder} ] || ln -s /var/nxc/shared${folder} ${folder}
    '')
    shared;

  system.activationScripts = lib.mkMerge [
    # nxc puts the node's context in place. Compose can only pass it on in the
    # environment of the first process.
    {
      nxc-context.deps = [ ]; # which older releases do not fill in
      nxc-context.text = ''
        if [ -n "''${NXC_DEPLOYMENT-}" ] && [ ! -e /etc/nxc/deployment.json ]; then
          mkdir -p /etc/nxc
          printf '%s' "$NXC_DEPLOYMENT" > /etc/nxc/deployment.json
          printf '%s' "$NXC_HOSTS" > /etc/nxc/hosts
          tr '\t' ' ' < /etc/nxc/hosts > /etc/nxc/deployment-hosts
          printf '%s\n' "$NXC_NODE" > /etc/nxc/node
          cp /etc/nxc/node /etc/nxc/hostname
          printf '%s\n' "$NXC_ROLE" > /etc/nxc/role
        fi
      '';
    }
    # Older releases have Nix make its folders, which it refuses to where the store
    # is read-only: the activation would count as failed, and so would a switch.
    (lib.mkIf (config.nix.enable or true) {
      nix = lib.mkForce {
        deps = [ ];
        text = "mkdir -p /nix/var/nix/gcroots /nix/var/nix/profiles";
      };
    })
  ];
}
