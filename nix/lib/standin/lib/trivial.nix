# Functions about values, numbers, files and messages.
{ lib }:
rec {
  inherit (builtins)
    add sub lessThan div mul seq deepSeq genericClosure isAttrs isBool isInt
    isFloat isString isList isPath readFile pathExists
    bitAnd bitOr bitXor addErrorContext unsafeGetAttrPos currentSystem
    fromJSON toJSON typeOf tryEval readDir;

  id = x: x;
  const = x: _: x;
  pipe = builtins.foldl' (value: f: f value);
  concat = a: b: a ++ b;
  or = a: b: a || b;
  and = a: b: a && b;
  xor = a: b: a != b;
  flip = f: a: b: f b a;
  mapNullable = f: value: if value == null then null else f value;
  mergeAttrs = a: b: a // b;
  defaultTo = fallback: value: if value == null then fallback else value;
  boolToString = b: if b then "true" else "false";
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  compare = a: b: if a < b then -1 else if a > b then 1 else 0;
  splitByAndCompare = belongs: yes: no: a: b:
    if belongs a then (if belongs b then yes a b else -1)
    else if belongs b then 1
    else no a b;

  # A function, or a set that can be called like one.
  isFunction = f: builtins.isFunction f || (f ? __functor && isFunction (f.__functor f));
  functionArgs = f: if f ? __functor then f.__functionArgs or (functionArgs (f.__functor f)) else builtins.functionArgs f;
  setFunctionArgs = f: args: { __functor = _: f; __functionArgs = args; };
  toFunction = value: if isFunction value then value else _: value;
  toHexString = n:
    let
      digit = i: builtins.substring i 1 "0123456789ABCDEF";
      go = n: if n < 16 then digit n else go (n / 16) + digit (mod n 16);
    in
    go n;

  importJSON = path: builtins.fromJSON (builtins.readFile path);
  importTOML = path: builtins.fromTOML (builtins.readFile path);

  release = "24.11";
  version = "24.11-standin";
  trivialRelease = release;
  versionSuffix = "-standin";
  inNixShell = false;

  warn = message: builtins.trace "warning: ${message}";
  warnIf = condition: message: if condition then warn message else id;
  warnIfNot = condition: warnIf (!condition);
  info = message: builtins.trace "info: ${message}";
  throwIf = condition: message: if condition then throw message else id;
  throwIfNot = condition: throwIf (!condition);
  assertMsg = condition: message: if condition then true else throw message;
  assertOneOf = name: value: allowed: assertMsg (builtins.elem value allowed)
    "${name} must be one of ${lib.generators.toPretty { } allowed}, but is ${lib.generators.toPretty { } value}";
  checkListOfEnum = message: allowed: values:
    let wrong = builtins.filter (v: !(builtins.elem v allowed)) values;
    in throwIf (wrong != [ ]) "${message}: ${lib.concatMapStringsSep ", " toString wrong} is none of ${lib.concatMapStringsSep ", " toString allowed}";

  traceVal = value: builtins.trace value value;
  traceValFn = f: value: builtins.trace (f value) value;
  traceSeq = a: b: builtins.trace (builtins.deepSeq a a) b;
  traceIf = condition: message: value: if condition then builtins.trace message value else value;
}
