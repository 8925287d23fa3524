{ pkgs, ... }:
{
  roles.server = "${./nothing.txt}";
}
