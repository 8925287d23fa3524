{ pkgs, ... }:
let f = x: f (x + 1); in
{
  roles.server = f 1;
}
