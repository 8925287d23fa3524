# Functions that compositions get as `helpers`.
rec {
  # { node1 = f 1; node2 = f 2; … }
  makeManyById = f: name: count:
    builtins.listToAttrs (builtins.genList
      (i: { name = "${name}${toString (i + 1)}"; value = f (i + 1); })
      count);
  # The same module under several names: { node1 = module; … }
  makeMany = module: makeManyById (_: module);

  # mapListToAttrs (n: { ${n} = n + "-2"; }) [ "a" "b" ] = { a = "a-2"; b = "b-2"; }
  mapListToAttrs = f: list: builtins.foldl' (all: x: all // f x) { } list;
  mapAttrNamesToAttrs = f: set: mapListToAttrs f (builtins.attrNames set);
  mapAttrsToAttrs = f: set: mapListToAttrs (n: f n set.${n}) (builtins.attrNames set);
}
