# Functions on strings.
{ lib }:
let
  inherit (builtins) stringLength substring replaceStrings genList head tail filter isString isList toJSON;
  lower = characters "abcdefghijklmnopqrstuvwxyz";
  upper = characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  characters = s: genList (i: substring i 1 s) (stringLength s);
in
rec {
  inherit (builtins) stringLength substring replaceStrings concatStringsSep match split hashString unsafeDiscardStringContext toJSON fromJSON toXML baseNameOf dirOf parseDrvName storeDir isString hasContext getContext;

  concatStrings = builtins.concatStringsSep "";
  concatMapStrings = f: list: concatStrings (map f list);
  concatImapStrings = f: list: concatStrings (lib.imap1 f list);
  concatMapStringsSep = separator: f: list: builtins.concatStringsSep separator (map f list);
  concatImapStringsSep = separator: f: list: builtins.concatStringsSep separator (lib.imap1 f list);
  concatMapAttrsStringSep = separator: f: set: builtins.concatStringsSep separator (lib.mapAttrsToList f set);
  concatLines = concatMapStrings (line: line + "\n");
  intersperse = separator: list:
    if list == [ ] then [ ] else tail (builtins.concatMap (x: [ separator x ]) list);
  optionalString = condition: s: if condition then s else "";
  stringToCharacters = characters;
  stringAsChars = f: s: concatMapStrings f (characters s);
  replicate = n: s: concatStrings (genList (_: s) n);
  join = builtins.concatStringsSep;

  toLower = replaceStrings upper lower;
  toUpper = replaceStrings lower upper;
  toSentenceCase = s: toUpper (substring 0 1 s) + toLower (substring 1 (-1) s);

  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix = suffix: s:
    let n = stringLength s; k = stringLength suffix;
    in n >= k && substring (n - k) k s == suffix;
  hasInfix = infix: s: replaceStrings [ infix ] [ "" ] s != s || infix == "";
  removePrefix = prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
  removeSuffix = suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
  # Regular expressions drop what a text depends on; this puts it back.
  addContextFrom = source: target: substring 0 0 source + target;
  splitString = separator: s:
    let text = toString s;
    in map (addContextFrom text) (filter isString (builtins.split (escapeRegex separator) text));
  trimWith = { start ? false, end ? false }: s:
    let
      blank = c: builtins.elem c [ " " "\t" "\r" "\n" ];
      n = stringLength s;
      first = i: if start && i < n && blank (substring i 1 s) then first (i + 1) else i;
      last = i: if end && i > first 0 && blank (substring (i - 1) 1 s) then last (i - 1) else i;
    in
    substring (first 0) (last n - first 0) s;
  trim = trimWith { start = true; end = true; };
  fixedWidthString = width: filler: s:
    let missing = width - stringLength s;
    in if missing > 0 then fixedWidthString width filler (filler + s) else s;
  fixedWidthNumber = width: n: fixedWidthString width "0" (toString n);
  commonPrefixLength = a: b:
    let
      n = lib.min (stringLength a) (stringLength b);
      go = i: if i < n && substring i 1 a == substring i 1 b then go (i + 1) else i;
    in
    go 0;

  escape = list: replaceStrings list (map (c: "\\${c}") list);
  escapeRegex = escape (characters "\\[{()^$?*+|.");
  escapeShellArg = value:
    let s = toString value;
    in if builtins.match "[[:alnum:],._+:@%/-]+" s != null then s
    else "'${replaceStrings [ "'" ] [ "'\\''" ] s}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  isValidPosixName = name: builtins.match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;
  toShellVar = name: value:
    if lib.isAttrs value && !lib.isDerivation value
    then "declare -A ${name}=(${concatMapAttrsStringSep " " (n: v: "[${escapeShellArg n}]=${escapeShellArg v}") value})"
    else if isList value then "declare -a ${name}=(${escapeShellArgs value})"
    else "${name}=${escapeShellArg value}";
  toShellVars = set: concatMapAttrsStringSep "\n" toShellVar set;
  escapeNixString = s: replaceStrings [ "$" ] [ "\\$" ] (toJSON s);
  escapeNixIdentifier = s: if builtins.match "[a-zA-Z_][a-zA-Z0-9_'-]*" s != null then s else escapeNixString s;
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
  escapeURL = s: stringAsChars (c: if builtins.match "[A-Za-z0-9_.~-]" c != null then c else throw "escapeURL: cannot escape ${c}") s;

  # Systemd quotes with C's escapes; a percent sign or dollar would be expanded.
  escapeSystemdExecArg = value:
    replaceStrings [ "%" "$" ] [ "%%" "$$" ] (toJSON (toString value));
  escapeSystemdExecArgs = concatMapStringsSep " " escapeSystemdExecArg;
  # The name of a unit that stands for a path.
  escapeSystemdPath = path:
    let
      trimmed = removeSuffix "/" (removePrefix "/" path);
      char = c: if c == "/" then "-" else if builtins.match "[a-zA-Z0-9:_.]" c != null then c else "\\x${code c}";
      code = c: { "-" = "2d"; " " = "20"; "@" = "40"; "+" = "2b"; "~" = "7e"; "=" = "3d"; "," = "2c"; }.${c} or (throw "cannot turn ${path} into a unit's name");
    in
    if trimmed == "" then "-" else stringAsChars char trimmed;

  toInt = s:
    let n = builtins.fromJSON (if builtins.match "[[:space:]]*-?[0-9]+[[:space:]]*" s == null then throw "toInt: ${s} is not a whole number" else s);
    in n;
  toIntBase10 = s: let parts = builtins.match "[[:space:]]*(-?)0*([0-9]+)[[:space:]]*" s; in if parts == null then throw "toIntBase10: ${s} is not a whole number" else builtins.fromJSON (concatStrings parts);
  floatToString = f: toString f;
  isStringLike = value: isString value || builtins.isPath value || value ? outPath || value ? __toString;
  isCoercibleToString = value: builtins.elem (builtins.typeOf value) [ "path" "string" "null" "int" "float" "bool" ]
    || (isList value && builtins.all isCoercibleToString value) || value ? outPath || value ? __toString;
  isConvertibleWithToString = isCoercibleToString;
  isStorePath = value: isStringLike value && dirOf (toString value) == builtins.storeDir;
  fileContents = file: removeSuffix "\n" (builtins.readFile file);
  readPathsFromFile = root: file: map (line: root + "/${line}") (filter (line: line != "" && !hasPrefix "#" line) (splitString "\n" (builtins.readFile file)));

  getName = value: if isString value then (builtins.parseDrvName value).name else value.pname or (builtins.parseDrvName value.name).name;
  getVersion = value: if isString value then (builtins.parseDrvName value).version else value.version or (builtins.parseDrvName value.name).version;
  nameFromURL = url: separator: head (splitString separator (lib.last (splitString "/" url)));
  sanitizeDerivationName = s:
    let
      clean = stringAsChars (c: if builtins.match "[[:alnum:]+._?=-]" c != null then c else "-") (unsafeDiscardStringContext (toString s));
      start = if hasPrefix "." clean then "_" + substring 1 (-1) clean else clean;
    in
    if start == "" then "unknown" else substring 0 207 start;
  versionOlder = a: b: builtins.compareVersions b a > 0;
  versionAtLeast = a: b: !versionOlder a b;
  makeSearchPath = folder: paths: builtins.concatStringsSep ":" (map (p: "${p}/${folder}") (filter (p: p != null) paths));
  makeSearchPathOutput = output: folder: packages: makeSearchPath folder (map (lib.getOutput output) packages);
  makeBinPath = makeSearchPathOutput "bin" "bin";
  makeLibraryPath = makeSearchPathOutput "lib" "lib";
  enableFeature = enable: feature: "--${if enable then "enable" else "disable"}-${feature}";
  withFeature = with_: feature: "--${if with_ then "with" else "without"}-${feature}";
  cmakeBool = name: value: "-D${name}:BOOL=${lib.toUpper (lib.boolToString value)}";
  mesonBool = name: value: "-D${name}=${lib.boolToString value}";

  # How many single-character edits (a swap of neighbours is one) lead from a to
  # b; used to tell a misspelt name from another one.
  levenshtein = a: b:
    let
      n = stringLength a;
      m = stringLength b;
      table = genList (i: genList (j: cell i j) (m + 1)) (n + 1);
      at = i: j: builtins.elemAt (builtins.elemAt table i) j;
      ca = i: substring (i - 1) 1 a;
      cb = j: substring (j - 1) 1 b;
      cell = i: j:
        if i == 0 then j
        else if j == 0 then i
        else
          let
            cost = if ca i == cb j then 0 else 1;
            plain = lib.min (lib.min (at (i - 1) j + 1) (at i (j - 1) + 1)) (at (i - 1) (j - 1) + cost);
            swapped = i > 1 && j > 1 && ca i == cb (j - 1) && ca (i - 1) == cb j;
          in
          if swapped then lib.min plain (at (i - 2) (j - 2) + 1) else plain;
    in
    at n m;
}
