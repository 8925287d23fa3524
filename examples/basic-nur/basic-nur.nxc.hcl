# A NixOSCompose project with a flake, and packages and modules of a NUR.
composition "basic-nur" {
  flake   = "."
  nixpkgs = "embedded" # without this line: the nixpkgs that flake.lock pins, after `nix flake lock`

  flavour "docker" {
    default = true
  }
  flavour "vm-ramdisk" {}
}
