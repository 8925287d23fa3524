{ pkgs }:
let
  port = number: if number < 1024 then throw "port ${toString number} is reserved" else number;
in
pkgs.text "server" (toString (port 80))
