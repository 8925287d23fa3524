{ pkgs, ... }:
{
  roles.server = pkgs.text "ééé" pkgs.ngnix;
}
