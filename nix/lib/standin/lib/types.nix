# Types of options: what a definition may be, and how several become one value.
#
# A type has `check` for a single definition, `merge` for all of them (each
# { file; value; }, in order), and `emptyValue` for elements that are declared
# but have no definition left.
{ lib }:
let
  inherit (lib) mkOptionType mergeDefinitions mergeEqualOption mergeOneOption showOption;

  # A number within bounds, with its name.
  bounded = { base, name, what, low ? null, high ? null }: base // {
    inherit name;
    description = what;
    check = n: base.check n && (low == null || n >= low) && (high == null || n <= high);
  };
  isInStore = value: lib.isStringLike value && lib.hasPrefix "${builtins.storeDir}/" (toString value);
  bits = n: bounded {
    base = int;
    name = "unsignedInt${toString n}";
    what = "${toString n} bit unsigned integer; between 0 and ${toString (power n - 1)} (both inclusive)";
    low = 0;
    high = power n - 1;
  };
  signed = n: bounded {
    base = int;
    name = "signedInt${toString n}";
    what = "${toString n} bit signed integer; between ${toString (-(power (n - 1)))} and "
      + "${toString (power (n - 1) - 1)} (both inclusive)";
    low = -(power (n - 1));
    high = power (n - 1) - 1;
  };
  int = types.int;
  power = n: if n == 0 then 1 else 2 * power (n - 1);
  types = rec {
    inherit (lib) mkOptionType;
  isType = name: value: value._type or null == name;
  setType = name: value: value // { _type = name; };
  isOptionType = isType "option-type";

  raw = mkOptionType {
    name = "raw";
    description = "raw value";
    merge = mergeOneOption;
  };
  unspecified = mkOptionType {
    name = "unspecified";
    description = "unspecified value";
    merge = lib.mergeDefaultOption;
  };
  anything = mkOptionType {
    name = "anything";
    description = "anything";
    merge = loc: definitions:
      let
        # A package counts as the path that it stands for.
        kind = value:
          if builtins.isPath value || builtins.isAttrs value && value ? outPath then "path"
          else builtins.typeOf value;
        kinds = lib.unique (map (d: kind d.value) definitions);
        isScalar = kinds != [ "set" ] && kinds != [ "list" ];
      in
      if isScalar && builtins.length definitions == 1 then (builtins.head definitions).value
      else if kinds == [ "set" ] then (lazyAttrsOf anything).merge loc definitions
      else if kinds == [ "list" ] then builtins.concatMap (d: d.value) definitions
      else if kinds == [ "lambda" ] then (functionTo anything).merge loc definitions
      else mergeEqualOption loc definitions;
  };

  bool = mkOptionType {
    name = "bool";
    description = "boolean";
    check = builtins.isBool;
    merge = mergeEqualOption;
  };
  boolByOr = bool // {
    name = "boolByOr";
    description = "boolean (merged using or)";
    merge = _: builtins.any (d: d.value);
  };
  int = mkOptionType {
    name = "int";
    description = "signed integer";
    check = builtins.isInt;
    merge = mergeEqualOption;
  };
  ints = {
    unsigned = bounded { base = int; name = "unsignedInt"; what = "unsigned integer, meaning >=0"; low = 0; };
    positive = bounded { base = int; name = "positiveInt"; what = "positive integer, meaning >0"; low = 1; };
    between = low: high: bounded {
      base = int;
      name = "intBetween";
      what = "integer between ${toString low} and ${toString high} (both inclusive)";
      inherit low high;
    };
    u8 = bits 8;
    u16 = bits 16;
    u32 = bits 32;
    s8 = signed 8;
    s16 = signed 16;
    s32 = signed 32;
  };
  port = ints.u16 // { name = "port"; description = "16 bit unsigned integer; between 0 and 65535 (both inclusive)"; };
  float = mkOptionType {
    name = "float";
    description = "floating point number";
    check = builtins.isFloat;
    merge = mergeEqualOption;
  };
  number = either int float;
  numbers = {
    between = low: high: bounded {
      base = number;
      name = "numberBetween";
      what = "number between ${toString low} and ${toString high}";
      inherit low high;
    };
    nonnegative = bounded {
      base = number;
      name = "numberNonnegative";
      what = "nonnegative number, meaning >=0";
      low = 0;
    };
    positive = number // {
      name = "numberPositive";
      description = "positive number, meaning >0";
      check = n: number.check n && n > 0;
    };
  };

  str = mkOptionType {
    name = "str";
    description = "string";
    check = builtins.isString;
    merge = mergeEqualOption;
  };
  nonEmptyStr = str // {
    name = "nonEmptyStr";
    description = "non-empty string";
    check = s: str.check s && builtins.match "[ \t\n]*" s == null;
  };
  singleLineStr = str // {
    name = "singleLineStr";
    description = "(optionally newline-terminated) single-line string";
    check = s: str.check s && !(lib.hasInfix "\n" (lib.removeSuffix "\n" s));
    merge = loc: definitions: lib.removeSuffix "\n" (mergeEqualOption loc definitions);
  };
  strMatching = pattern: str // {
    name = "strMatching";
    description = "string matching the pattern ${pattern}";
    check = s: str.check s && builtins.match pattern s != null;
  };
  separatedString = separator: mkOptionType {
    name = "separatedString";
    description = "strings concatenated with ${builtins.toJSON separator}";
    check = builtins.isString;
    merge = _: definitions: lib.concatMapStringsSep separator (d: d.value) definitions;
  };
  lines = separatedString "\n";
  commas = separatedString ",";
  envVar = separatedString ":";
  string = separatedString "";
  passwdEntry = type: type // {
    name = "passwdEntry ${type.name}";
    description = "${type.description}, not containing newlines or colons";
    check = s: type.check s && builtins.match "[^:\n]*" s != null;
  };

  path = mkOptionType {
    name = "path";
    description = "absolute path";
    check = value: lib.isStringLike value && builtins.substring 0 1 (toString value) == "/";
    merge = mergeEqualOption;
  };
  pathInStore = path // {
    name = "pathInStore";
    description = "path in the Nix store";
    check = isInStore;
  };
  package = mkOptionType {
    name = "package";
    description = "package";
    check = value: lib.isDerivation value || isInStore value;
    merge = loc: definitions:
      let value = mergeOneOption loc definitions;
      in if lib.isAttrs value then value else lib.toDerivation value;
  };
  shellPackage = package // { name = "shellPackage"; check = lib.isDerivation; };
  pkgs = mkOptionType { name = "pkgs"; description = "package set"; check = lib.isAttrs; merge = mergeOneOption; };
  optionType = mkOptionType {
    name = "optionType";
    description = "optionType";
    check = isOptionType;
    merge = mergeOneOption;
  };
  enum = values: mkOptionType {
    name = "enum";
    description =
      if values == [ ] then "impossible (empty enum)"
      else "one of ${lib.concatMapStringsSep ", " (lib.generators.toPretty { }) values}";
    check = value: builtins.elem value values;
    merge = mergeEqualOption;
    members = values;
  };

  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = builtins.isAttrs;
    merge = _: builtins.foldl' (all: d: all // d.value) { };
    emptyValue.value = { };
  };
  functionTo = element: mkOptionType {
    name = "functionTo";
    description = "function that evaluates to a(n) ${element.description}";
    check = lib.isFunction;
    merge = loc: definitions: argument:
      let bodies = map (d: d // { value = d.value argument; }) definitions;
      in (mergeDefinitions (loc ++ [ "<function body>" ]) element bodies).value;
    nestedTypes.elemType = element;
  };

  listOf = element: mkOptionType {
    name = "listOf";
    description = "list of ${element.description}";
    check = builtins.isList;
    merge = loc: definitions:
      let
        item = n: definition: m: value:
          mergeDefinitions (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ]) element
            [{ inherit (definition) file; inherit value; }];
        items = builtins.concatLists (lib.imap1 (n: d: lib.imap1 (item n d) d.value) definitions);
      in
      map (i: i.value) (builtins.filter (i: i.isDefined) items);
    emptyValue.value = [ ];
    nestedTypes.elemType = element;
    getSubOptions = prefix: element.getSubOptions (prefix ++ [ "*" ]);
    substSubModules = modules: listOf (element.substSubModules modules);
    getSubModules = element.getSubModules;
  };
  nonEmptyListOf = element: listOf element // {
    description = "non-empty list of ${element.description}";
    check = value: builtins.isList value && value != [ ];
  };
  attrsOf = element: setOf { inherit element; lazy = false; };
  lazyAttrsOf = element: setOf { inherit element; lazy = true; };
  loaOf = attrsOf;
  setOf = { element, lazy }: mkOptionType {
    name = if lazy then "lazyAttrsOf" else "attrsOf";
    description = "${if lazy then "lazy " else ""}attribute set of ${element.description}";
    check = builtins.isAttrs;
    merge = loc: definitions:
      let
        # Conditions around the whole set belong to each of its members.
        located = d: builtins.mapAttrs (_: value: { inherit (d) file; inherit value; });
        pushed = builtins.concatMap (d: map (located d) (lib.pushDownProperties d.value)) definitions;
        merged = builtins.zipAttrsWith (name: mergeDefinitions (loc ++ [ name ]) element) pushed;
        one = m: if m.isDefined then m.value else element.emptyValue.value or m.value;
      in
      if lazy then builtins.mapAttrs (_: one) merged
      else builtins.mapAttrs (_: m: m.value) (lib.filterAttrs (_: m: m.isDefined) merged);
    emptyValue.value = { };
    nestedTypes.elemType = element;
    getSubOptions = prefix: element.getSubOptions (prefix ++ [ "<name>" ]);
    getSubModules = element.getSubModules;
    substSubModules = modules: setOf { element = element.substSubModules modules; inherit lazy; };
  };

  nullOr = element: mkOptionType {
    name = "nullOr";
    description = "null or ${element.description}";
    check = value: value == null || element.check value;
    merge = loc: definitions:
      let nulls = builtins.filter (d: d.value == null) definitions;
      in
      if nulls == [ ] then element.merge loc definitions
      else if builtins.length nulls == builtins.length definitions then null
      else
        throw ("The option `${showOption loc}' is defined both null and not null, in "
          + "${lib.showFiles (lib.getFiles definitions)}.");
    emptyValue.value = null;
    nestedTypes.elemType = element;
    inherit (element) getSubOptions getSubModules;
    substSubModules = modules: nullOr (element.substSubModules modules);
  };
  either = a: b: mkOptionType {
    name = "either";
    description = "${a.description} or ${b.description}";
    check = value: a.check value || b.check value;
    merge = loc: definitions:
      if builtins.all (d: a.check d.value) definitions then a.merge loc definitions
      else if builtins.all (d: b.check d.value) definitions then b.merge loc definitions
      else mergeOneOption loc definitions;
    nestedTypes = { left = a; right = b; };
  };
  oneOf = types: lib.foldl either (builtins.head types) (builtins.tail types);
  coercedTo = from: convert: to: mkOptionType {
    name = "coercedTo";
    description = "${to.description} or ${from.description} convertible to it";
    check = value: from.check value && to.check (convert value) || to.check value;
    merge = loc: definitions: to.merge loc
      (map (d: d // { value = if from.check d.value then convert d.value else d.value; }) definitions);
    inherit (to) emptyValue getSubOptions getSubModules;
    nestedTypes = { coercedType = from; finalType = to; };
  };
  uniq = type: type // { name = "uniq"; merge = mergeOneOption; };
  unique = _: uniq;
  addCheck = type: check: type // { check = value: type.check value && check value; };
  nested = element: element;

  submodule = modules: submoduleWith { modules = lib.toList modules; shorthandOnlyDefinesConfig = true; };
  submoduleWith =
    attrs@{ modules
    , specialArgs ? { }
    , shorthandOnlyDefinesConfig ? false
    , description ? null
    , class ? null
    }:
    let
      evaluate = prefix: more: lib.evalModules {
        inherit prefix specialArgs;
        modules = modules ++ more;
      };
      asModule = definition:
        if builtins.isAttrs definition.value && shorthandOnlyDefinesConfig
        then { _file = definition.file; config = definition.value; }
        else { _file = definition.file; imports = [ definition.value ]; };
      nameOf = loc: { _module.args.name = lib.mkOptionDefault (if loc == [ ] then "" else lib.last loc); };
    in
    mkOptionType {
      name = "submodule";
      description = if description != null then description else "submodule";
      check = value: builtins.isAttrs value || lib.isFunction value || builtins.isPath value;
      merge = loc: definitions: (evaluate loc ([ (nameOf loc) ] ++ map asModule definitions)).config;
      emptyValue.value = { };
      getSubOptions = prefix: (evaluate prefix [ (nameOf prefix) ]).options;
      getSubModules = modules;
      substSubModules = changed: submoduleWith (attrs // { modules = changed; });
    };
  deferredModule = mkOptionType {
    name = "deferredModule";
    description = "module";
    check = value: builtins.isAttrs value || lib.isFunction value || builtins.isPath value;
    merge = _: definitions: { imports = map (d: { _file = d.file; imports = [ d.value ]; }) definitions; };
  };
  };
in
types
