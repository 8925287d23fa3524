# One node with a few tools: the smallest composition.
composition "basic" {
  source  = "./composition.nix"
  nixpkgs = "embedded"

  flavour "docker" {}
}
