# An experiment driven by a Python program with execo, from this machine.
variable "clients" {
  type        = number
  default     = 2
  description = "How many clients measure at one time."
}

composition "execo" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"
  roles   = { server = 1, client = var.clients }

  flavour "docker" {
    default = true
  }

  # The same, on machines: ./experiment.py -flavour vm-ramdisk
  flavour "vm-ramdisk" {}
}

# Then:
#
#   python3 experiment.py              deploys, measures every combination, destroys
#   python3 experiment.py -keep        leaves the nodes; what is measured is not measured again
