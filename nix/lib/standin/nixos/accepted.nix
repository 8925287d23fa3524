# Which options of NixOS the stand-in takes without honouring them.
#
# A composition that was written for NixOS may set options that have no meaning
# here: they are taken, keep their value, and are named once in a warning. What
# looks like a misspelt option that the stand-in does honour is an error, as in
# NixOS.
{ lib }:
let
  # NixOS's top-level names.
  namespaces = [
    "appstream" "boot" "console" "containers" "dbus" "docker-containers"
    "documentation" "ec2" "environment" "fileSystems" "fonts" "gtk" "hardware"
    "i18n" "ids" "image" "isoImage" "krb5" "lib" "location" "meta" "minimal"
    "nesting" "networking" "nix" "nixops" "nixpkgs" "oci" "passthru" "power"
    "powerManagement" "programs" "qt" "qt5" "security" "services" "snapraid"
    "sound" "specialisation" "stubby" "swapDevices" "system" "systemd" "time"
    "users" "virtualisation" "xdg" "zramSwap"
  ];

  # Where NixOS has many more options than the stand-in. Below any other path
  # that the stand-in declares, an unknown name is a mistake.
  open = [
    [ "boot" ] [ "boot" "initrd" ] [ "boot" "kernel" ] [ "boot" "loader" ] [ "boot" "loader" "grub" ] [ "boot" "tmp" ]
    [ "console" ] [ "documentation" ] [ "environment" ] [ "fonts" ] [ "hardware" ] [ "i18n" ]
    [ "networking" ] [ "networking" "dhcpcd" ] [ "networking" "resolvconf" ] [ "nix" ] [ "nixpkgs" ] [ "powerManagement" ] [ "programs" ]
    [ "programs" "bash" ] [ "security" ] [ "security" "pam" ] [ "security" "pki" ] [ "services" ]
    [ "services" "journald" ] [ "system" ] [ "system" "nixos" ] [ "systemd" ] [ "systemd" "coredump" ]
    [ "systemd" "network" ] [ "systemd" "user" ] [ "time" ] [ "users" ]
    [ "virtualisation" ] [ "xdg" ]
  ];

  # One edit away from a name that is honoured: a slip, not another option.
  isSlip = name: builtins.any
    (known: builtins.stringLength known > 3 && lib.levenshtein name known == 1);
in
unmatched:
if unmatched.prefix == [ ] then builtins.elem unmatched.name namespaces
else builtins.elem unmatched.prefix open && !(isSlip unmatched.name unmatched.known)
