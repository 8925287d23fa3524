# Makes a system boot as a machine of nxc: the first stage brings devices, the
# store, the network and the node's context; the system brings ssh, by which
# nxc reaches the node, and a shell on the serial console.
{ config, lib, options, pkgs, ... }:
let
  none = pkgs.runCommand "no-initrd" { } ''
    mkdir -p "$out/bin"
    touch "$out/initrd" "$out/bin/append-initrd-secrets"
  '';
in
{
  imports = [ ./shared.nix ];
  config = lib.mkMerge [
    {
      boot.loader.grub.enable = lib.mkDefault false;
      # The first stage is nxc's own (see stage1.nix). Some releases that can do
      # without theirs still link to it, and with systemd in theirs, newer ones have
      # no second stage: the system's init would be systemd, and nothing set up.
      # An option that NixOS took back is still declared, invisible, to say so.
      boot.initrd = lib.optionalAttrs (options.boot.initrd ? enable) { enable = lib.mkDefault false; }
        // lib.optionalAttrs (options.boot.initrd ? systemd.enable && options.boot.initrd.systemd.enable.visible or true != false) {
          systemd.enable = lib.mkForce false;
        };
      system.build = lib.optionalAttrs (options.boot.initrd ? enable && !(pkgs ? standin)) (lib.mkIf (!config.boot.initrd.enable) {
        # As they are: in some releases nothing below system.build has a priority.
        initialRamdisk = none;
        initialRamdiskSecretAppender = none;
      });
      fileSystems."/" = lib.mkDefault { device = "none"; fsType = "tmpfs"; options = [ "mode=755" ]; };

      # Name, address and resolver come with the network, before the system starts.
      networking.hostName = lib.mkDefault "";
      networking.useDHCP = lib.mkForce false;
      networking.resolvconf.enable = lib.mkForce false;
      networking.firewall.enable = lib.mkDefault false;
      environment.etc.hosts.enable = lib.mkForce false;

      services.openssh.enable = lib.mkForce true;
      services.openssh.startWhenNeeded = lib.mkForce false;
      # nxc knows this key beforehand; making another takes seconds when emulated.
      services.openssh.hostKeys = lib.mkForce [
        { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; }
      ];

      # Whoever may open the console's socket owns the machine: a root shell.
      systemd.services.nxc-console = {
        description = "Shell on the serial console";
        wantedBy = [ "multi-user.target" ];
        after = [ "systemd-user-sessions.service" ];
        environment = { HOME = "/root"; TERM = "vt220"; };
        serviceConfig = {
          ExecStart = "${pkgs.bashInteractive}/bin/bash --login";
          WorkingDirectory = "/root";
          StandardInput = "tty";
          StandardOutput = "tty";
          StandardError = "tty";
          TTYPath = "/dev/ttyS0";
          TTYReset = true;
          Restart = "always";
          RestartSec = 1;
        };
      };
      systemd.services."serial-getty@ttyS0".enable = lib.mkForce false;
      systemd.services."autovt@".enable = lib.mkForce false;
      systemd.services."getty@tty1".enable = lib.mkForce false;
    }
    {
      # The console has its shell; where gettys can be left out, there are none.
      services = lib.optionalAttrs (options.services ? getty.enable) {
        getty.enable = lib.mkDefault false;
      };
    }
    {
      # What the distribution starts beyond what a node needs: each is a process,
      # and those are dear where a processor is emulated. The first stage has
      # loaded the modules and mounted the file systems.
      systemd = lib.optionalAttrs (options.systemd ? suppressedSystemUnits) {
        suppressedSystemUnits = lib.mkIf (pkgs ? standin) [
          "dev-hugepages.mount"
          "dev-mqueue.mount"
          "modprobe@.service"
          "proc-sys-fs-binfmt_misc.automount"
          "sys-fs-fuse-connections.mount"
          "sys-kernel-config.mount"
          "sys-kernel-debug.mount"
          "sys-kernel-tracing.mount"
          "systemd-logind.service"
          "systemd-random-seed.service"
          "systemd-remount-fs.service"
          "systemd-tmpfiles-setup-dev.service"
          "systemd-update-utmp.service"
          "systemd-update-utmp-runlevel.service"
          "dbus-org.freedesktop.login1.service"
        ];
      };
    }
  ];
}
