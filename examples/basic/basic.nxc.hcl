# One node with a few tools: the smallest composition.
composition "basic" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"

  flavour "docker" {}
}
