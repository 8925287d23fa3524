{ pkgs, ... }:
{
  roles.server = assert pkgs.nginx == 2; pkgs.nginx;
}
