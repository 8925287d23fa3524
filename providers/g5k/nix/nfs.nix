# The Nix half of the flavour "g5k-nfs-store": nodes are started by kexec with a
# small initrd, and mount the store from a server. What the systems need is
# copied there.
{ machine }:
{
  modules = [ machine.module ./metal.nix ];

  artifacts = context: machine.image (context // { store = "nfs"; physical = true; });

  extra = context: import ./extra.nix context;
}
