{ pkgs, ... }:
{
  roles.server = pkgs.ngnix;
}
