{ pkgs, ... }:
{
  roles.server = pkgs.text "a" ("x" + 1);
}
