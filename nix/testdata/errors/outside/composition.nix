{ pkgs, ... }:
{
  roles.server = builtins.readFile /etc/hostname;
}
