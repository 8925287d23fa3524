# Texts made from values: configuration files, and values as people read them.
{ lib }:
rec {
  mkValueStringDefault = _: value:
    if value == null then throw "cannot write null into this kind of file"
    else if builtins.isBool value then lib.boolToString value
    else if builtins.isList value then throw "cannot write a list into this kind of file"
    else toString value;
  mkKeyValueDefault = { mkValueString ? mkValueStringDefault { } }: separator: key: value:
    "${lib.escape [ separator ] key}${separator}${mkValueString value}";
  toKeyValue = { mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false, indent ? "" }: set:
    let
      line = key: value: indent + mkKeyValue key value + "\n";
      lines = key: value:
        if listsAsDuplicateKeys && builtins.isList value then lib.concatMapStrings (line key) value
        else line key value;
    in
    lib.concatStrings (lib.mapAttrsToList lines set);
  toINI = { mkSectionName ? (name: lib.escape [ "[" "]" ] name), mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false }: sections:
    builtins.concatStringsSep "\n" (lib.mapAttrsToList
      (name: set: "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } set)
      sections);
  toINIWithGlobalSection = args: { globalSection, sections ? { } }:
    toKeyValue (builtins.removeAttrs args [ "mkSectionName" ]) globalSection
    + lib.optionalString (globalSection != { } && sections != { }) "\n" + toINI args sections;
  toJSON = _: builtins.toJSON;
  toYAML = toJSON;

  # A value as it would be written in Nix; functions and packages by a word.
  toPretty = { multiline ? true, allowPrettyValues ? false, indent ? "" }: value:
    let
      inner = toPretty { inherit multiline allowPrettyValues; indent = indent + "  "; };
      newline = if multiline then "\n" + indent else " ";
      step = if multiline then newline + "  " else " ";
      kind = builtins.typeOf value;
      entry = n: v: "${lib.strings.escapeNixIdentifier n} = ${inner v};";
    in
    {
      null = "null";
      bool = lib.boolToString value;
      int = toString value;
      float = toString value;
      path = toString value;
      string = lib.strings.escapeNixString (builtins.unsafeDiscardStringContext value);
      lambda = "<function>";
      list =
        if value == [ ] then "[ ]"
        else "[" + step + builtins.concatStringsSep step (map inner value) + newline + "]";
      set =
        if allowPrettyValues && value ? __pretty then value.__pretty value.val
        else if value == { } then "{ }"
        else if value ? type && value.type == "derivation" then "<derivation ${value.name or "?"}>"
        else if lib.isFunction value then "<function>"
        else "{" + step + builtins.concatStringsSep step (lib.mapAttrsToList entry value) + newline + "}";
    }.${kind} or "<${kind}>";
}
