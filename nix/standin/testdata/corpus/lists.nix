# Lists.
{ lib, ... }:
with lib;
{
  foldr = foldr (a: b: a + b) "z" [ "a" "b" ];
  foldl = foldl (a: b: "(${a}${b})") "z" [ "a" "b" "c" ];
  flatten = flatten [ 1 [ 2 [ 3 ] ] 4 ];
  range = [ (range 2 4) (range 3 2) ];
  unique = unique [ 3 2 3 1 2 ];
  optionals = [ (optionals true [ 1 ]) (optionals false [ 1 ]) (optional true 2) ];
  sublist = [ (sublist 1 2 [ "a" "b" "c" "d" ]) (sublist 3 9 [ "a" "b" "c" "d" ]) (sublist 7 1 [ "a" ]) ];
  take = [ (take 2 [ 1 2 3 ]) (take 9 [ 1 ]) (drop 1 [ 1 2 3 ]) ];
  last = [ (last [ 1 2 3 ]) (init [ 1 2 3 ]) ];
  imap = [ (imap0 (i: v: "${toString i}${v}") [ "a" "b" ]) (imap1 (i: v: "${toString i}${v}") [ "a" "b" ]) ];
  findFirst = [ (findFirst (x: x > 1) 9 [ 1 2 3 ]) (findFirst (x: x > 5) 9 [ 1 2 3 ]) ];
  findSingle = [ (findSingle (x: x == 3) "none" "multiple" [ 1 3 3 ]) (findSingle (x: x == 1) "none" "multiple" [ 1 3 3 ]) ];
  zip = zipListsWith (a: b: a + b) [ 1 2 3 ] [ 4 5 ];
  zipLists = zipLists [ 1 ] [ 2 ];
  partition = partition (x: x > 2) [ 5 1 3 ];
  remove = remove 3 [ 1 3 4 3 ];
  subtract = [ (subtractLists [ 3 2 ] [ 1 2 3 4 5 ]) (intersectLists [ 1 2 3 ] [ 6 3 2 ]) (mutuallyExclusive [ 1 ] [ 2 ]) ];
  reverse = reverseList [ 1 2 3 ];
  groupBy = groupBy (x: if x > 2 then "big" else "small") [ 1 2 3 4 5 ];
  naturalSort = naturalSort [ "disk11" "disk8" "disk100" "disk9" ];
  compareLists = [ (compareLists compare [ 1 2 ] [ 1 3 ]) (compareLists compare [ ] [ ]) (compareLists compare [ 1 ] [ ]) ];
  crossLists = crossLists (a: b: "${toString a}${toString b}") [ [ 1 2 ] [ 3 4 ] ];
  toposort = (toposort (a: b: a < b) [ 3 2 1 ]).result;
  count = count (x: x == 3) [ 3 2 3 ];
  toList = [ (toList 1) (toList [ 1 ]) ];
  sort = sort lessThan [ 5 3 7 ];
}
