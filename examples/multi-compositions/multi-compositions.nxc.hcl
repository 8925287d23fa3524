# Several compositions in one file, deployed together or one by one.
composition "web" {
  source    = "./compositions.nix"
  attribute = "web"
  nixpkgs   = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"

  flavour "docker" {
    default = true
  }
  flavour "vm-ramdisk" {}
}

composition "broker" {
  source    = "./compositions.nix"
  attribute = "broker"
  nixpkgs   = "embedded" # each may have another

  flavour "docker" {
    default = true
  }
  flavour "vm-ramdisk" {}
}

# Then:
#
#   nxc apply                           both, each in a network of its own
#   nxc apply -flavour broker::docker   one of them
