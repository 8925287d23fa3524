# Functions on lists.
{ lib }:
rec {
  inherit (builtins) head tail length elem elemAt filter foldl' any all sort partition concatLists concatMap genList map isList groupBy;

  singleton = x: [ x ];
  toList = x: if builtins.isList x then x else [ x ];
  optional = condition: x: if condition then [ x ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  flatten = x: if builtins.isList x then concatMap flatten x else [ x ];
  remove = x: filter (y: y != x);
  range = first: last: if first > last then [ ] else genList (i: first + i) (last - first + 1);
  replicate = n: x: genList (_: x) n;
  reverseList = list: let n = length list; in genList (i: elemAt list (n - 1 - i)) n;
  last = list: if list == [ ] then throw "lib.last: the list is empty" else elemAt list (length list - 1);
  init = list: if list == [ ] then throw "lib.init: the list is empty" else take (length list - 1) list;
  sublist = start: count: list:
    let n = length list;
    in genList (i: elemAt list (start + i)) (if start >= n then 0 else lib.min count (n - start));
  take = sublist 0;
  drop = count: list: sublist count (length list) list;
  takeEnd = count: list: drop (lib.max 0 (length list - count)) list;

  foldr = f: zero: list:
    let
      n = length list;
      go = i: if i == n then zero else f (elemAt list i) (go (i + 1));
    in
    go 0;
  fold = foldr;
  foldl = f: zero: list:
    let go = i: if i < 0 then zero else f (go (i - 1)) (elemAt list i);
    in go (length list - 1);
  imap0 = f: list: genList (i: f i (elemAt list i)) (length list);
  imap1 = f: list: genList (i: f (i + 1) (elemAt list i)) (length list);
  forEach = list: f: map f list;
  zipListsWith = f: a: b: genList (i: f (elemAt a i) (elemAt b i)) (lib.min (length a) (length b));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  crossLists = f: builtins.foldl' (fs: args: concatMap (g: map g args) fs) [ f ];
  cartesianProduct = lib.attrsets.cartesianProduct;

  findFirst = predicate: default: list:
    let found = filter predicate list;
    in if found == [ ] then default else head found;
  findSingle = predicate: none: multiple: list:
    let found = filter predicate list;
    in if found == [ ] then none else if length found > 1 then multiple else head found;
  count = predicate: list: length (filter predicate list);
  unique = builtins.foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  allUnique = list: length (unique list) == length list;
  subtractLists = unwanted: filter (x: !(elem x unwanted));
  intersectLists = wanted: filter (x: elem x wanted);
  mutuallyExclusive = a: b: intersectLists a b == [ ];
  naturalSort = sort (a: b: builtins.compareVersions a b < 0);
  sortOn = key: list:
    map (pair: pair.value) (sort (a: b: a.key < b.key) (map (value: { inherit value; key = key value; }) list));
  compareLists = compare: a: b:
    if a == [ ] then (if b == [ ] then 0 else -1)
    else if b == [ ] then 1
    else let here = compare (head a) (head b);
    in if here == 0 then compareLists compare (tail a) (tail b) else here;
  hasPrefixList = prefix: list: take (length prefix) list == prefix;
  removePrefix' = prefix: list: drop (length prefix) list;
  groupBy' = f: zero: key: list: builtins.mapAttrs (_: builtins.foldl' f zero) (groupBy key list);
  ifilter0 = predicate: list:
    concatLists (imap0 (i: x: optional (predicate i x) x) list);

  # Puts every element behind those that `before` says come first.
  toposort = before: list:
    let
      go = done: rest:
        if rest == [ ] then { result = done; }
        else
          let
            free = filter (x: !(any (y: before y x && y != x) rest)) rest;
          in
          if free == [ ] then { cycle = rest; loops = rest; }
          else go (done ++ [ (head free) ]) (remove (head free) rest);
    in
    go [ ] list;
}
