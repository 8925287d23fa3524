{ pkgs, lib }:
{
  roles.server = 1;
}
