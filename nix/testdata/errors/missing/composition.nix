{ pkgs, ... }:
{
  roles.server = import ./servr.nix;
}
