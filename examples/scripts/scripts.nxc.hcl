# Scripts of one's own, in Python and shell, as programs on the nodes.
composition "scripts" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"

  flavour "docker" {
    default = true
  }
  flavour "vm-ramdisk" {}
}
