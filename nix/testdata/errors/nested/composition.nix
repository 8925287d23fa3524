{ pkgs, ... }:
{
  roles.server = import ./roles/server.nix { inherit pkgs; };
}
