# Three members that elect a leader, and another one when it dies.
composition "cluster" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"
  roles   = { member = 3 }

  flavour "docker" {
    default = true
  }

  # The same, as machines of QEMU: nxc test -ephemeral -flavour vm-ramdisk
  flavour "vm-ramdisk" {}
}
