# A database with a replica, and clients that write to it.
variable "clients" {
  type        = number
  default     = 2
  description = "How many clients visit the database."
}

composition "database" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # the offline stand-in; a flake.lock or a path pins the real one
  roles   = { server = 1, replica = 1, client = var.clients }
  params  = { interval = 1 }

  flavour "docker" {
    default = true
  }

  # The same, as machines of QEMU: nxc test -ephemeral -flavour vm-ramdisk
  flavour "vm-ramdisk" {}
}

output "database" {
  description = "The database's address, from this machine."
  value       = "${composition.database.node["server"].address}:6379"
}
