{ pkgs, ... }:
{
  roles.server = pkgs.text "a" ("ééé" + pkgs.ngnix);
}
