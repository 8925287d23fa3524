# Kernels and their parameters, side by side on machines.
composition "kernel" {
  source  = "./composition.nix"
  nixpkgs = "embedded" # a real one: nxc lock github:NixOS/nixpkgs/nixos-25.11, then "./nixpkgs.lock"

  # Of a real nixpkgs, such as "linuxPackages_6_12"; the embedded one has one kernel.
  params = { kernel = "linuxPackages_latest", parameters = ["quiet", "transparent_hugepage=never"] }

  # Containers share the kernel of their host: this needs machines.
  flavour "vm-ramdisk" {
    default = true
  }
}
