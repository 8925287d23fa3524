{ pkgs, ... }:
{
  roles.server = pkgs.strict { a = 1; c = 3; };
}
