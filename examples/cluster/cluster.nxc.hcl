# Three members that elect a leader, and another one when it dies.
composition "cluster" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # the offline stand-in; a flake.lock or a path pins the real one
  roles   = { member = 3 }

  flavour "docker" {
    default = true
  }

  # The same, as machines of QEMU: nxc test -ephemeral -flavour vm-ramdisk
  flavour "vm-ramdisk" {}
}
