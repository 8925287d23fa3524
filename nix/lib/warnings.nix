# What the user should hear about an evaluation: warnings of modules, and
# options that the stand-in does not honour, each once for all roles.
{ lib, roles, own }:
let
  isOwn = file: builtins.any (folder: lib.hasPrefix folder (toString file)) own;
  ignored = role: builtins.filter (i: !(isOwn i.file)) role.ignored or [ ];
  notHonoured = i: "NixOS option ${lib.showOption i.path} is not honoured by the embedded stand-in (first set at ${toString i.file})";
  all = lib.concatMap
    (role: map notHonoured (ignored role) ++ role.config.warnings)
    (builtins.attrValues roles);
in
map builtins.unsafeDiscardStringContext (lib.unique all)
