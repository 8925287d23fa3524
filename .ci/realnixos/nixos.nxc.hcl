variable "page" {
  type    = string
  default = "hello"
}

composition "nixos" {
  source  = "./composition.nix"
  nixpkgs = "./nixpkgs"
  roles   = { server = 1, client = 1 }
  params  = { page = var.page }

  flavour "docker" {
    update = "switch"
  }
}
