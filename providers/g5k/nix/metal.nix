# What systems on physical nodes have that those of emulated machines do not.
{ config, lib, options, pkgs, ... }:
{
  # Whoever is let in by ssh may shape the node's traffic.
  environment.systemPackages = [ (pkgs.iproute2 or pkgs.iproute) ];
  # Clocks of machines of metal drift apart.
  services = lib.optionalAttrs (options.services ? timesyncd) { timesyncd.enable = lib.mkDefault true; };
}
