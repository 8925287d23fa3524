# A builder, and nodes that build on it and take from its cache.
composition "cluster" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"
  roles   = { builder = 1, node = 2 }

  flavour "docker" {
    default = true
  }
  flavour "vm-ramdisk" {}
}
