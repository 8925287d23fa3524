{ pkgs, ... }:
let
  web = pkgs.checkPort {
    port = "eighty";
    file = toString ./composition.nix;
  };
in
{
  roles.server = pkgs.text "port" (toString web.port);
}
