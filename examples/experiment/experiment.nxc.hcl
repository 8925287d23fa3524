# An experiment: clients measure a server, and nxc collect brings the results.
variable "clients" {
  type        = number
  default     = 2
  description = "How many clients measure at one time."
}

variable "seconds" {
  type        = number
  default     = 5
  description = "How long each of them measures."
}

composition "experiment" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"
  roles   = { server = 1, client = var.clients }
  params  = { seconds = var.seconds }

  flavour "docker" {
    default = true
  }

  # The same, on machines of QEMU: nxc apply -flavour vm-ramdisk
  flavour "vm-ramdisk" {}
}

# Then:
#
#   nxc apply
#   nxc exec -role client -- measure        all clients at one time
#   nxc collect -role client /srv/results   with a manifest of what ran
output "throughput" {
  description = "Reads the bits a second of each client out of collected results."
  value       = "jq .end.sum_received.bits_per_second results/*/srv/results/*.json"
}
