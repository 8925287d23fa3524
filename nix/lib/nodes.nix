# The nodes of a composition, by nxc's rule: each name with its role. One node of
# a role has the role's name, several are numbered from 1, and a list gives other
# names. A role that nobody speaks of is one node.
{ lib, roles, distribution }:
let
  names = role: wanted:
    if builtins.isList wanted then wanted
    else if wanted == 1 then [ role ]
    else map (n: "${role}${toString n}") (lib.range 1 wanted);
in
builtins.listToAttrs (lib.concatMap
  (role: map (name: { inherit name; value = role; }) (names role (distribution.${role} or 1)))
  (builtins.attrNames roles))
