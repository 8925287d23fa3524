# The Nix half of the flavour "vm-ramdisk": every role boots from one kernel and
# one initrd that hold the systems of all roles, and lives in memory.
{ machine }:
{
  modules = [ machine.module ];
  shape = "all-in-one";

  artifacts = context: machine.image (context // { store = "ramdisk"; });

  extra = context: import ./extra.nix context;
}
