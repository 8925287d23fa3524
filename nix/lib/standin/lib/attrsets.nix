# Functions on attribute sets.
{ lib }:
let
  inherit (builtins) attrNames attrValues listToAttrs isAttrs hasAttr;
in
rec {
  inherit (builtins) attrNames attrValues listToAttrs hasAttr getAttr removeAttrs intersectAttrs catAttrs mapAttrs zipAttrsWith;

  nameValuePair = name: value: { inherit name value; };
  optionalAttrs = condition: set: if condition then set else { };
  genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
  filterAttrs = predicate: set:
    removeAttrs set (builtins.filter (n: !(predicate n set.${n})) (attrNames set));
  mapAttrs' = f: set: listToAttrs (map (n: f n set.${n}) (attrNames set));
  mapAttrsToList = f: set: map (n: f n set.${n}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = f: set: builtins.foldl' (a: b: a // b) { } (mapAttrsToList f set);
  filterMapAttrs = predicate: f: set: mapAttrs f (filterAttrs predicate set);
  foldAttrs = f: zero: sets:
    builtins.mapAttrs (_: lib.foldr f zero) (builtins.zipAttrsWith (_: values: values) sets);
  foldlAttrs = f: zero: set: builtins.foldl' (acc: n: f acc n set.${n}) zero (attrNames set);
  zipAttrs = builtins.zipAttrsWith (_: values: values);
  zipAttrsWithNames = names: f: sets:
    genAttrs names (n: f n (builtins.catAttrs n sets));
  attrVals = names: set: map (n: set.${n}) names;
  getAttrs = names: set: genAttrs names (n: set.${n});
  mergeAttrsList = builtins.foldl' (a: b: a // b) { };
  overrideExisting = old: new: builtins.mapAttrs (n: v: new.${n} or v) old;
  renameAttrs = names: mapAttrs' (n: nameValuePair (names.${n} or n));
  unionOfDisjoint = a: b:
    let both = builtins.intersectAttrs a b;
    in builtins.mapAttrs (n: _: throw "unionOfDisjoint: ${n} is in both sets") both // builtins.removeAttrs (a // b) (attrNames both);

  attrByPath = path: default: set:
    if path == [ ] then set
    else if isAttrs set && hasAttr (builtins.head path) set
    then attrByPath (builtins.tail path) default set.${builtins.head path}
    else default;
  hasAttrByPath = path: set:
    path == [ ] || isAttrs set && hasAttr (builtins.head path) set
      && hasAttrByPath (builtins.tail path) set.${builtins.head path};
  getAttrFromPath = path: set:
    attrByPath path (throw "cannot find the attribute ${builtins.concatStringsSep "." path}") set;
  setAttrByPath = path: value:
    if path == [ ] then value
    else { ${builtins.head path} = setAttrByPath (builtins.tail path) value; };
  updateManyAttrsByPath = updates: set:
    builtins.foldl' (acc: u: recursiveUpdate acc (setAttrByPath u.path (u.update (attrByPath u.path null acc)))) set updates;

  recursiveUpdateUntil = stop: left: right:
    let
      go = path: a: b:
        if stop path a b || !(isAttrs a && isAttrs b) then b
        else a // builtins.mapAttrs (n: v: if a ? ${n} then go (path ++ [ n ]) a.${n} v else v) b;
    in
    go [ ] left right;
  recursiveUpdate = recursiveUpdateUntil (_: a: b: !(isAttrs a && isAttrs b));
  mapAttrsRecursiveCond = condition: f: set:
    let
      go = path: builtins.mapAttrs (n: v:
        if isAttrs v && condition v then go (path ++ [ n ]) v else f (path ++ [ n ]) v);
    in
    go [ ] set;
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  filterAttrsRecursive = predicate: set:
    builtins.mapAttrs (_: v: if isAttrs v then filterAttrsRecursive predicate v else v)
      (filterAttrs predicate set);
  collect = predicate: value:
    if predicate value then [ value ]
    else if isAttrs value then builtins.concatMap (collect predicate) (attrValues value)
    else [ ];
  mapAttrsToListRecursive = f: set: collect builtins.isList (mapAttrsRecursive (path: value: [ (f path value) ]) set);
  matchAttrs = pattern: set: isAttrs set && builtins.all
    (n: set ? ${n} && (if isAttrs pattern.${n} then matchAttrs pattern.${n} set.${n} else pattern.${n} == set.${n}))
    (attrNames pattern);
  cartesianProduct = sets: builtins.foldl'
    (rows: n: builtins.concatMap (row: map (v: row // { ${n} = v; }) sets.${n}) rows) [ { } ] (attrNames sets);
  cartesianProductOfSets = cartesianProduct;

  isDerivation = value: value.type or null == "derivation";
  toDerivation = path: { type = "derivation"; name = builtins.unsafeDiscardStringContext (baseNameOf path); outPath = path; outputs = [ "out" ]; outputName = "out"; };
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };
  getOutput = output: package: package.${output} or package.out or package;
  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getDev = getOutput "dev";
  getMan = getOutput "man";
  chooseDevOutputs = map getDev;
  showAttrPath = path: if path == [ ] then "<root attribute path>" else lib.concatMapStringsSep "." lib.strings.escapeNixIdentifier path;
}
