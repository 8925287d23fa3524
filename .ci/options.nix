# The options that the stand-in honours, as its modules describe them: what the
# website's list shows. Evaluated without building anything:
#
#   nix-instantiate --eval --strict --json --readonly-mode .ci/options.nix
let
  lib = import ../nix/lib/standin/lib;
  evalConfig = import ../nix/lib/standin/nixos/eval-config.nix {
    inherit lib;
    index.system = builtins.currentSystem; # descriptions need no packages
  };
  inherit (evalConfig { modules = [ ../nix/lib/modules/nxc.nix ]; }) options;

  isOption = value: builtins.isAttrs value && value._type or "" == "option";
  isHidden = option: option.internal or false || !(option.visible or true);
  isAccepted = option: builtins.substring 0 8 (text option) == "Accepted";
  text = option: toString (option.description or "");

  describe = path: option: {
    name = lib.concatStringsSep "." path;
    type = option.type.description or option.type.name or "";
    description = text option;
    accepted = isAccepted option;
  };

  walk = path: value:
    if isOption value then
      (if isHidden value then [ ] else [ (describe path value) ])
    else if builtins.isAttrs value then
      builtins.concatMap
        (name: if builtins.substring 0 1 name == "_" then [ ] else walk (path ++ [ name ]) value.${name})
        (builtins.attrNames value)
    else [ ];
in
walk [ ] options
