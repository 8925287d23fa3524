# A web server and its clients, on a network of their own.
variable "clients" {
  type        = number
  default     = 2
  description = "How many clients there are."
}

composition "webserver" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # the offline stand-in; a flake.lock or a path pins the real one
  roles   = { server = 1, client = var.clients }
  params  = { page = "hello from nxc" }

  flavour "docker" {
    default = true
  }

  # The same, as machines of QEMU: nxc apply -flavour vm-ramdisk
  flavour "vm-ramdisk" {}
}

output "url" {
  description = "The server's page, from this machine."
  value       = "http://${composition.webserver.node["server"].address}/"
}
