# Sets that refer to their own final values.
{ lib }:
rec {
  fix = f: let x = f x; in x;
  fix' = f: let x = f x // { __unfix__ = f; }; in x;
  extends = overlay: base: final: let previous = base final; in previous // overlay final previous;
  composeExtensions = a: b: final: previous:
    let first = a final previous; in first // b final (previous // first);
  composeManyExtensions = lib.foldr composeExtensions (_: _: { });
  makeExtensibleWithCustomName = name: base:
    fix' (final: base final // {
      ${name} = overlay: makeExtensibleWithCustomName name (extends overlay base);
    });
  makeExtensible = makeExtensibleWithCustomName "extend";
  converge = f: x: let y = f x; in if y == x then x else converge f y;
}
