{ pkgs, ... }:
let a = b; b = a; in
{
  roles.server = a;
}
