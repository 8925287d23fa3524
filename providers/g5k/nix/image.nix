# The Nix half of the flavour "g5k-image": one archive holds the systems of all
# roles, and Kadeploy unpacks it into a partition of each node, which learns
# there who it is.
{ machine }:
{
  modules = [ machine.module ./metal.nix ./partition.nix ];

  artifacts = context: { inherit (machine.image (context // { store = "partition"; physical = true; })) tarball; };

  extra = context: import ./extra.nix context;
}
