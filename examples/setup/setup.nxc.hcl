# A setup.toml: parameters, and packages built otherwise, in variants.
variable "variant" {
  type        = string
  default     = ""
  description = "A variant of setup.toml; by default the one that its [project] selects."
}

variable "params" {
  type        = any
  default     = {}
  description = "Parameters above those of setup.toml."
}

composition "setup" {
  source   = "./composition.nix"
  nixpkgs  = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"
  setup    = "./setup.toml"
  variant  = var.variant
  params   = var.params
  overlays = ["./packages.nix"]

  flavour "docker" {
    default = true
  }
  flavour "vm-ramdisk" {}
}

# Then:
#
#   nxc plan -var variant=dev                      three workers, and the greeter of ./greeter
#   nxc plan -var 'params={greeting="good day"}'   one parameter, for once
