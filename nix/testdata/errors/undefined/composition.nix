{ pkgs, ... }:
{
  roles.server = { a = pkg.nginx; };
}
