# Functions that let packages be changed: override and callPackage.
{ lib }:
rec {
  # Remembers how a value was made, so that it can be made again differently.
  makeOverridable = f: args:
    let
      result = f args;
      change = new: args // (if lib.isFunction new then new args else new);
      again = {
        override = new: makeOverridable f (change new);
        overrideDerivation = g: makeOverridable (x: overrideDerivation (f x) g) args;
      };
    in
    if builtins.isAttrs result then
      result // again // lib.optionalAttrs (result ? overrideAttrs) {
        overrideAttrs = g: makeOverridable (x: (f x).overrideAttrs g) args;
      }
    else if lib.isFunction result then
      lib.setFunctionArgs result (lib.functionArgs result) // again
    else result;
  overrideDerivation = package: f: package.overrideAttrs f;
  addPassthru = package: passthru: package // passthru;
  extendDerivation = condition: passthru: package: assert condition; package // passthru;
  hydraJob = package: package;

  callPackageWith = scope: file: args:
    let
      f = if lib.isFunction file then file else import file;
      wanted = lib.functionArgs f;
      given = builtins.intersectAttrs wanted scope // args;
      missing = builtins.filter (n: !wanted.${n} && !(given ? ${n})) (builtins.attrNames wanted);
      where = if builtins.isPath file || builtins.isString file then " in ${toString file}" else "";
    in
    if missing == [ ] then makeOverridable f given
    else throw "callPackage: there is no ${lib.concatStringsSep ", " missing}${where}; pass it as an argument or add it with an overlay";
  callPackagesWith = scope: file: args:
    let f = if lib.isFunction file then file else import file;
    in f (builtins.intersectAttrs (lib.functionArgs f) scope // args);

  makeScope = newScope: f:
    let
      self = f self // {
        newScope = scope: newScope (self // scope);
        callPackage = self.newScope { };
        overrideScope = g: makeScope newScope (lib.extends g f);
        packages = f;
      };
    in
    self;
}
