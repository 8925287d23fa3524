# Users with homes on a file server, and a second shared folder for data.
composition "shared" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"
  roles   = { homes = 1, storage = 1, client = 2 }
  params  = { users = ["ada", "emmy"] }

  # In containers a shared folder is a volume, which goes with the deployment.
  flavour "docker" {
    default = true
  }

  # Machines mount it by NFS from the node that exports it.
  flavour "vm-ramdisk" {}
}
