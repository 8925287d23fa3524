{ pkgs, ... }:
{
  roles.server = pkgs.nginx {};
}
