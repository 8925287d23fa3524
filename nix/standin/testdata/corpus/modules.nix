# The module system: what several definitions become.
{ lib, ... }:
with lib;
let
  evaluate = modules: plain (evalModules { inherit modules; }).config;
  # Older releases of NixOS leave `_module` in a submodule's value.
  plain = value:
    if isAttrs value && !isDerivation value then mapAttrs (_: plain) (removeAttrs value [ "_module" ])
    else if isList value then map plain value
    else value;
  option = type: default: mkOption { inherit type default; };
  # One option of a type, and its definitions in order.
  merge = type: definitions: (evaluate ([ { options.x = mkOption { inherit type; }; } ] ++ map (d: { config.x = d; }) definitions)).x;
in
{
  listsOfModules = merge (types.listOf types.str) [ [ "a" ] [ "b" ] [ "c" ] ];
  listsOrdered = merge (types.listOf types.str) [ (mkAfter [ "last" ]) [ "middle" ] (mkBefore [ "first" ]) (mkOrder 800 [ "early" ]) ];
  linesOrdered = merge types.lines [ "one" (mkBefore "zero") "two" ];
  force = merge types.int [ 1 (mkForce 2) (mkDefault 3) ];
  default = merge types.int [ (mkDefault 3) (mkOverride 1400 4) ];
  override = merge (types.listOf types.str) [ [ "a" ] (mkForce [ "b" ]) (mkForce [ "c" ]) ];
  condition = merge (types.listOf types.str) [ (mkIf true [ "yes" ]) (mkIf false [ "no" ]) (mkMerge [ [ "m" ] (mkIf true [ "n" ]) ]) ];
  nestedProperties = merge (types.attrsOf types.int) [ (mkIf true { a = mkDefault 1; b = mkIf false 2; }) { a = 3; } (mkMerge [ { c = 4; } ]) ];
  attrsOf = merge (types.attrsOf types.str) [ { a = "1"; } { b = "2"; } ];
  attrs = merge types.attrs [ { a = 1; } { b = 2; } ];
  nullOr = [ (merge (types.nullOr types.int) [ null ]) (merge (types.nullOr types.int) [ 3 ]) ];
  either = [ (merge (types.either types.int types.str) [ "a" ]) (merge (types.either types.int (types.listOf types.int)) [ [ 1 ] [ 2 ] ]) ];
  enum = merge (types.enum [ "a" "b" ]) [ "b" "b" ];
  coerced = merge (types.coercedTo types.int toString types.str) [ 3 ];
  separated = merge types.commas [ "a" "b" ];
  submodule =
    let
      sub = types.submodule ({ name, config, ... }: {
        options = {
          port = mkOption { type = types.int; default = 80; };
          url = mkOption { type = types.str; default = "http://${name}:${toString config.port}"; };
          tags = mkOption { type = types.listOf types.str; default = [ ]; };
        };
      });
    in
    merge (types.attrsOf sub) [ { a = { }; } { a.port = 8080; b.tags = [ "x" ]; } { b.tags = mkBefore [ "w" ]; b.url = "given"; } ];
  listOfSubmodules = merge (types.listOf (types.submodule { options.n = mkOption { type = types.int; default = 1; }; })) [ [ { } { n = 2; } ] ];
  submoduleFunction = merge (types.submodule { options.a = mkOption { type = types.int; }; options.b = mkOption { type = types.int; default = 0; }; }) [ ({ config, ... }: { b = config.a + 1; }) { a = 1; } ];

  imports = (evaluate [
    { options.l = option (types.listOf types.str) [ ]; imports = [ { l = [ "imported1" ]; imports = [ { l = [ "deep" ]; } ]; } ({ lib, ... }: { l = [ "imported2" ]; }) ]; config.l = [ "own" ]; }
    { l = [ "second" ]; }
  ]).l;
  sameFileOnce = (evaluate [ ./parts/imported.nix ./parts/imported.nix { imports = [ ./parts/imported.nix ]; } ]).l;
  disabled = (evaluate [ { options.l = option (types.listOf types.str) [ ]; } { disabledModules = [ ./parts/disabled.nix ]; } ./parts/disabled.nix ]).l;
  arguments = (evaluate [
    ({ config, given, ... }: { options.a = mkOption { type = types.str; }; config.a = given; })
    { _module.args.given = "from _module.args"; }
  ]).a;
  configRefersToItself = (evaluate [
    { options = { a = option types.int 1; b = option types.int 0; }; }
    ({ config, ... }: { b = mkIf (config.a == 1) (config.a + 1); })
  ]).b;
  apply = (evaluate [ { options.a = mkOption { type = types.int; apply = x: x * 2; }; config.a = 4; } ]).a;
  nestedOptions = (evaluate [ { options.a.b.c = option types.int 1; options.a.d = option types.str "x"; } { a.b.c = 2; } ]).a;
  conditionalTree = (evaluate [ { options.a.b = option types.int 1; options.a.c = option types.int 2; config = mkIf true { a = mkMerge [ { b = 5; } (mkIf false { c = 9; }) ]; }; } ]).a;
  rename = (evaluate [ { options.new.place = option types.int 1; options.warnings = option (types.listOf types.str) [ ]; imports = [ (mkAliasOptionModule [ "old" ] [ "new" "place" ]) ]; config.old = 7; } ]).new.place;
  enableOption = (evaluate [ { options.a.enable = mkEnableOption "a"; } { a.enable = true; } ]).a.enable;
  declaredOnce = (evaluate [
    { options.s = mkOption { type = types.submodule { options.a = option types.int 1; }; default = { }; }; }
    { options.s = mkOption { type = types.submodule { options.b = option types.int 2; }; }; }
  ]).s;

  refused = mapAttrs (_: value: (builtins.tryEval (builtins.deepSeq value value)).success) {
    wrongType = merge types.int [ "a" ];
    wrongElement = merge (types.listOf types.int) [ [ "a" ] ];
    outOfRange = merge types.port [ 70000 ];
    negative = merge types.ints.unsigned [ (-1) ];
    notInEnum = merge (types.enum [ "a" ]) [ "b" ];
    conflict = merge types.int [ 1 2 ];
    undefined = merge types.int [ ];
    relativePath = merge types.path [ "here" ];
    unknownOption = evaluate [ { nothing = 1; } ];
    unknownInSubmodule = merge (types.submodule { options.a = option types.int 1; }) [ { b = 1; } ];
    twoDeclarations = (evaluate [ { options.a = option types.int 1; } { options.a = option types.int 2; } ]).a;
    nullAndValue = merge (types.nullOr types.int) [ null 1 ];
    conditionNotBool = merge types.int [ (mkIf "yes" 1) ];
    readOnly = (evaluate [ { options.a = mkOption { type = types.int; readOnly = true; }; config.a = 1; } { a = 1; } ]).a;
  };
}
