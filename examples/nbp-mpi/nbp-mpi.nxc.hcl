# A parallel benchmark: MPI processes on several nodes.
variable "nodes" {
  type        = number
  default     = 2
  description = "How many nodes compute."
}

composition "nbp-mpi" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"
  roles   = { node = var.nodes }

  # What it computes, and how many processes a node has.
  params = { pairs = 20, slots = 2 }

  flavour "docker" {
    default = true
  }
  flavour "vm-ramdisk" {}
}

# Then:
#
#   nxc apply
#   nxc exec node1 -- benchmark
#   nxc apply -var nodes=4           and once more
