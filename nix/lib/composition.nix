# Loads a composition as NixOSCompose's users write it, and says what is wrong
# with it in their terms.
{ lib, load, nixpkgs, flavour, file, source ? file, attribute, setup, system, nur ? null }:
let
  loaded = if builtins.isPath source || builtins.isString source then load source else source;
  isMany = builtins.isAttrs loaded && !(loaded ? roles) && !(loaded ? nodes);
  names = lib.concatStringsSep ", " (builtins.attrNames loaded);
  chosen =
    if attribute == "" then
      (if isMany then throw "${file} holds several compositions (${names}); name one of them" else loaded)
    else if !isMany then throw "${file} holds one composition, but `${attribute}' is asked for"
    else
      let one = loaded.${attribute} or (throw "${file} has no composition `${attribute}', only ${names}");
      in if builtins.isPath one then load one else one;

  # Every name that a composition may ask for.
  arguments = {
    inherit system setup;
    inherit (setup) params;
    inherit (nixpkgs) pkgs lib;
    # As NixOSCompose has it, this is the folder above that of NixOS's modules,
    # which a role gets by the same name: compositions read tests/ssh-keys.nix.
    modulesPath = builtins.dirOf nixpkgs.modulesPath;
    helpers = import ./helpers.nix // { inherit (nixpkgs.pkgs) callPackage; };
    flavour = { inherit (flavour) name; };
    nur = if nur != null then nur else nixpkgs.pkgs.nur or { repos = { }; };
  };
  call = f:
    let
      wanted = builtins.functionArgs f;
      missing = builtins.filter (n: !wanted.${n} && !(arguments ? ${n})) (builtins.attrNames wanted);
    in
    if missing == [ ] then f (arguments // { extra = arguments; })
    else throw "the composition ${file} asks for ${lib.concatStringsSep ", " missing}, which nxc does not give; it may ask for ${lib.concatStringsSep ", " (builtins.attrNames arguments)}";
  value =
    let result = if lib.isFunction chosen then call chosen else chosen;
    in if builtins.isAttrs result then result
    else throw "the composition ${file} must give a set with `roles', but gives ${builtins.typeOf result}";
  roles = value.roles or value.nodes or (throw "the composition ${file} has neither `roles' nor `nodes'");

  # A script may ask for the evaluated nodes, as NixOS's tests do.
  script = evaluated:
    let
      written = value.testScript or null;
      nodes = builtins.mapAttrs (_: role: role.config) evaluated;
      text = if lib.isFunction written then written { inherit nodes; roles = nodes; } else written;
    in
    if text == null then null else toString text;
in
{
  # Options of a role that only other tools read are no options of its system.
  roles = builtins.mapAttrs (name: module: { _file = file; imports = [ module ]; }) roles;
  inherit value;

  # Where the script stands, so that what is wrong in it can be shown there.
  testScriptAt =
    let at = builtins.unsafeGetAttrPos "testScript" value;
    in if at == null then null else { inherit (at) line; file = toString at.file; };

  # As text, and with what the text refers to.
  inherit script;
  testScript = evaluated:
    let text = script evaluated;
    in if text == null then null else builtins.unsafeDiscardStringContext text;
}
