# The root file system is the partition that Kadeploy unpacked the image into.
# The first stage mounts it, whichever it is.
{ lib, ... }:
{
  fileSystems."/" = lib.mkForce { device = "/dev/root"; fsType = "ext4"; noCheck = true; };
}
