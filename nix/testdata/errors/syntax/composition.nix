{ pkgs, ... }:
{
  roles.server = { a = 1 };
}
