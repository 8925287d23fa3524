# How options are declared, and how messages name them and their values.
{ lib }:
let
  part = name: lib.strings.escapeNixIdentifier (toString name);
in
rec {
  isOption = value: value._type or null == "option";
  mkOption = attrs@{ default ? null, defaultText ? null, example ? null, description ? null, relatedPackages ? null, type ? null, apply ? null, internal ? null, visible ? null, readOnly ? null, honoured ? null }:
    attrs // { _type = "option"; };
  mkEnableOption = name: mkOption {
    type = lib.types.bool;
    default = false;
    example = true;
    description = "Whether to enable ${toString name}.";
  };
  mkPackageOption = pkgs: name: { default ? name, example ? null, nullable ? false, pkgsText ? "pkgs", extraDescription ? "" }:
    let path = lib.toList default;
    in mkOption {
      type = (if nullable then lib.types.nullOr else lib.id) lib.types.package;
      default = if default == null then null else lib.getAttrFromPath path pkgs;
      defaultText = "${pkgsText}.${lib.concatStringsSep "." path}";
      description = "The ${builtins.concatStringsSep "." (lib.toList name)} package to use. ${extraDescription}";
    };
  mkPackageOptionMD = mkPackageOption;
  mkSinkUndeclaredOptions = attrs: mkOption ({ internal = true; visible = false; default = false; apply = _: throw "this option may not be read"; } // attrs);
  mkRenamed = lib.modules.mkRenamedOptionModule;

  # An option of NixOS that the stand-in takes, checks for nothing and ignores;
  # setting it is reported once.
  mkIgnoredOption = mkOption {
    type = lib.types.anything;
    default = null;
    honoured = false;
    description = "Accepted for compatibility with NixOS, without effect.";
  };
  mkIgnoredOptions = names: lib.genAttrs names (_: mkIgnoredOption);

  literalExpression = text: { _type = "literalExpression"; inherit text; };
  literalExample = literalExpression;
  literalMD = literalExpression;
  literalDocBook = literalExpression;
  mdDoc = text: text;

  getValues = map (definition: definition.value);
  getFiles = map (definition: definition.file);

  # services.nginx.virtualHosts."a.b".root
  showOption = path: builtins.concatStringsSep "." (map part path);
  showFiles = files: lib.concatMapStringsSep " and " (file: "`${file}'") files;
  showDefs = definitions: lib.concatMapStrings
    (definition:
      let
        shown = builtins.tryEval (lib.generators.toPretty { } definition.value);
        text = if shown.success then shown.value else "<a value that cannot be evaluated>";
        lines = lib.splitString "\n" text;
        short = lib.take 5 lines ++ lib.optional (builtins.length lines > 5) "...";
      in
      "\n- In `${definition.file}'${if builtins.length short == 1 then ": ${builtins.head short}" else ":\n    ${builtins.concatStringsSep "\n    " short}"}")
    definitions;

  # A line "Did you mean `x'?", or nothing when no known name is near.
  suggest = prefix: name: known:
    let
      limit = lib.max 1 (builtins.stringLength name / 3);
      near = builtins.filter (k: lib.levenshtein name k <= limit) known;
      best = builtins.head (lib.sortOn (lib.levenshtein name) near);
    in
    if near == [ ] then ""
    else "\nDid you mean `${showOption (prefix ++ [ best ])}'?";

  # All definitions must be one and the same value.
  mergeEqualOption = loc: definitions:
    let
      first = builtins.head definitions;
      differing = builtins.filter (d: d.value != first.value) definitions;
    in
    if differing == [ ] then first.value
    else throw "The option `${showOption loc}' has conflicting definition values:${showDefs ([ first ] ++ differing)}\nUse `lib.mkForce value' or `lib.mkDefault value' to change the priority on any of these definitions.";
  mergeOneOption = loc: definitions:
    if builtins.length definitions == 1 then (builtins.head definitions).value
    else throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.\nDefinition values:${showDefs definitions}";
  mergeUniqueOption = { message ? "" }: mergeOneOption;

  # Merges by what the values are, for types that accept anything.
  mergeDefaultOption = loc: definitions:
    let
      values = getValues definitions;
      every = predicate: builtins.all predicate values;
    in
    if builtins.length values == 1 then builtins.head values
    else if every builtins.isList then builtins.concatLists values
    else if every (v: builtins.isAttrs v && !lib.isDerivation v) then builtins.foldl' lib.recursiveUpdate { } values
    else if every builtins.isString then builtins.concatStringsSep "" values
    else mergeEqualOption loc definitions;
}
