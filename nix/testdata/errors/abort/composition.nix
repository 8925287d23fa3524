{ pkgs, ... }:
{
  roles.server = abort "no way";
}
