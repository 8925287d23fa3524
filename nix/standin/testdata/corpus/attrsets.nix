# Attribute sets, fixed points and functions.
{ lib, ... }:
with lib;
{
  filter = filterAttrs (n: v: n == "foo" || v == 2) { foo = 1; bar = 2; baz = 3; };
  map = [ (mapAttrs (n: v: n + v) { a = "x"; }) (mapAttrs' (n: v: nameValuePair ("n_" + n) v) { a = 1; }) (mapAttrsToList (n: v: n + v) { a = "x"; b = "y"; }) ];
  gen = genAttrs [ "foo" "bar" ] (n: "x_" + n);
  paths = [ (attrByPath [ "a" "b" ] 6 { a.b = 3; }) (attrByPath [ "z" "z" ] 6 { a.b = 3; }) (hasAttrByPath [ "a" "b" ] { a.b = 1; }) (setAttrByPath [ "a" "b" ] 3) (getAttrFromPath [ "a" "b" ] { a.b = 3; }) ];
  recursiveUpdate = recursiveUpdate { a = { b = 1; c = 2; }; l = [ 1 ]; } { a.b = 3; l = [ 2 ]; n = 4; };
  recursiveUpdateUntil = recursiveUpdateUntil (path: l: r: path == [ "foo" ]) { foo.bar = 1; foo.baz = 2; bar = 3; } { foo.bar = 1; foo.quz = 2; baz = 4; };
  mapRecursive = mapAttrsRecursive (path: value: concatStringsSep "-" (path ++ [ value ])) { n = { a = "A"; m = { b = "B"; }; }; d = "D"; };
  collect = [ (collect isList { a.b = [ 1 ]; c = [ 2 ]; }) (collect (x: x ? outPath) { a.outPath = "a/"; b.outPath = "b/"; }) ];
  zip = zipAttrsWith (name: values: values) [ { a = "x"; } { a = "y"; b = "z"; } ];
  fold = foldAttrs (n: a: [ n ] ++ a) [ ] [ { a = 2; b = 7; } { a = 3; } { b = 6; } ];
  vals = [ (attrVals [ "a" "b" ] { a = 1; b = 2; c = 3; }) (getAttrs [ "a" ] { a = 1; b = 2; }) (catAttrs "a" [ { a = 1; } { b = 0; } { a = 2; } ]) ];
  optionalAttrs = [ (optionalAttrs true { a = 1; }) (optionalAttrs false { a = 1; }) ];
  override = overrideExisting { a = 1; b = 2; } { b = 3; c = 4; };
  fix = (fix (self: { foo = "foo"; bar = "bar"; foobar = self.foo + self.bar; })).foobar;
  extends = fix (extends (final: prev: { a = prev.a + 1; c = final.b; }) (final: { a = 1; b = final.a; }));
  extensible = ((makeExtensible (self: { a = 1; b = self.a; })).extend (self: super: { a = super.a + 1; })).b;
  compose = fix (extends (composeExtensions (f: p: { a = p.a + 1; }) (f: p: { a = p.a * 10; })) (f: { a = 1; }));
  callPackage = (callPackageWith { a = 1; b = 2; } ({ a, b ? 5, c ? 3 }: { sum = a + b + c; }) { c = 10; }).sum;
  overridable = [ ((makeOverridable ({ a, b }: { s = a + b; }) { a = 1; b = 2; }).override { b = 5; }).s ];
  functionArgs = [ (functionArgs ({ a, b ? 1 }: a)) (isFunction (x: x)) (isFunction { __functor = self: x: x; }) ];
  trivial = [ (id 1) (const 1 2) (flip (a: b: a - b) 1 2) (min 1 2) (max 1 2) (mod 10 3) (compare 1 2) (bitAnd 12 10) ];
  isDerivation = [ (isDerivation { type = "derivation"; }) (isDerivation 1) ];
}
