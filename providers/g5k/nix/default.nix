# The Nix half of the flavour "g5k-ramdisk": nodes are started by kexec with one
# initrd that holds the systems of all roles, and live in memory.
{ machine }:
{
  modules = [ machine.module ./metal.nix ];

  artifacts = context: machine.image (context // { store = "ramdisk"; physical = true; });

  extra = context: import ./extra.nix context;
}
