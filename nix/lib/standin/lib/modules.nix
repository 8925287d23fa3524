# The module system: modules with imports, options and config become one set of
# checked values.
#
# It behaves as NixOS's own does for what compositions write; what differs is
# `accepts`, by which the stand-in takes options that NixOS has and it does not.
{ lib }:
let
  inherit (builtins) attrNames concatMap elem filter head isAttrs length mapAttrs tail;
  inherit (lib) isFunction isOption optional showDefs showFiles showOption;

  defaultPriority = 100;
  optionDefaultPriority = 1500;
  defaultOrder = 1000;

  # --- Loading ---------------------------------------------------------------

  moduleKeys = [
    "_class"
    "_file"
    "config"
    "disabledModules"
    "freeformType"
    "imports"
    "key"
    "meta"
    "options"
    "require"
  ];

  # Gives a function its arguments. They are asked for lazily, because most come
  # from the configuration that is being computed.
  applyArguments = key: args: f:
    let
      wanted = lib.functionArgs f;
      unknown = name:
        throw "there is no module argument `${name}'; modules get pkgs, lib, config, options and modulesPath";
      one = name: _:
        builtins.addErrorContext "while evaluating the module argument `${name}' in \"${key}\":"
          (args.${name} or (args.config._module.args.${name} or (unknown name)));
    in
    f (args // mapAttrs one wanted);

  # Brings a module into one shape: { _file, key, imports, disabled, options, config }.
  normalise = file: key: module:
    let
      structured = module ? config || module ? options;
      unknown = attrNames (builtins.removeAttrs module moduleKeys);
      body = builtins.removeAttrs module (lib.remove "options" (lib.remove "config" moduleKeys));
      freeform = lib.optionalAttrs (module ? freeformType) { _module.freeformType = module.freeformType; };
      meta = lib.optionalAttrs (module ? meta && !structured) { inherit (module) meta; };
      where = module._file or file;
    in
    if !isAttrs module then
      throw ("The module `${file}' is ${builtins.typeOf module} instead of a set or a function: "
        + lib.generators.toPretty { } module)
    else if structured && unknown != [ ] then
      throw ("Module `${where}' has an unsupported attribute `${head unknown}'. A module with a top-level "
        + "`config' or `options' has everything else inside `config': move "
        + "${builtins.concatStringsSep ", " unknown} there, or leave out `config' and `options'.")
    else {
      _file = toString where;
      key = toString (module.key or key);
      imports = module.imports or [ ] ++ module.require or [ ];
      disabled = module.disabledModules or [ ];
      options = if structured then module.options or { } else { };
      config = lib.mkMerge ([ freeform ] ++ (if structured then [ (module.config or { }) ] else [ (body // meta) ]));
    };

  load = args: parent: n: module:
    let
      isFile = builtins.isPath module || builtins.isString module
        || isAttrs module && module ? outPath && !(module ? config);
      file = if isFile then toString module else parent._file;
      key = if isFile then toString module else "${parent.key}:anon-${toString n}";
      value = if isFile then importModule module else module;
      applied = if isFunction value then applyArguments key args value else value;
    in
    normalise file key applied;

  importModule = file:
    if !builtins.pathExists file && builtins.isPath file then throw "The module `${toString file}' does not exist."
    else import file;

  # All modules, each once, what is imported before what imports it.
  collect = args: modules:
    let
      start = lib.imap1 (load args { _file = "<unknown-file>"; key = ""; }) modules;
      closure = builtins.genericClosure {
        startSet = start;
        operator = module: lib.imap1 (load args module) module.imports;
      };
      # A relative name is one of NixOS's own modules.
      keyOf = name:
        if builtins.isString name && !(lib.hasPrefix "/" name)
        then "${toString args.modulesPath or ""}/${name}"
        else toString name;
      disabledKeys = concatMap (m: map keyOf m.disabled) closure;
    in
    filter (m: !(elem m.key disabledKeys)) (lib.reverseList closure);

  # --- Properties: mkIf, mkMerge, mkOverride, mkOrder -------------------------

  pushDownProperties = config:
    let
      kind = config._type or null;
      around = property: map (mapAttrs (_: property)) (pushDownProperties config.content);
    in
    if kind == "merge" then concatMap pushDownProperties config.contents
    else if kind == "if" then around (lib.mkIf config.condition)
    else if kind == "override" then around (lib.mkOverride config.priority)
    else if isAttrs config then [ config ]
    else
      throw ("a set of options was expected, but found ${builtins.typeOf config}: "
        + lib.generators.toPretty { } config);

  dischargeProperties = value:
    let kind = if isAttrs value then value._type or null else null;
    in
    if kind == "merge" then concatMap dischargeProperties value.contents
    else if kind == "if" then
      (if !builtins.isBool value.condition then throw "`mkIf' called with a condition that is not a boolean"
      else if value.condition then dischargeProperties value.content else [ ])
    else [ value ];

  # Keeps only the definitions of the strongest priority, in mkOrder's order.
  strongest = definitions:
    let
      hasPriority = d: isAttrs d.value && d.value._type or null == "override";
      priority = d: if hasPriority d then d.value.priority else defaultPriority;
      best = builtins.foldl' (p: d: lib.min p (priority d)) 9999 definitions;
      strip = d: if hasPriority d then d // { value = d.value.content; } else d;
    in
    { inherit best; kept = map strip (filter (d: priority d == best) definitions); };

  ordered = definitions:
    let
      hasOrder = d: isAttrs d.value && d.value._type or null == "order";
      order = d: if hasOrder d then d.value.priority else defaultOrder;
      strip = d: if hasOrder d then d // { value = d.value.content; } else d;
    in
    if builtins.all (d: order d == defaultOrder) definitions then definitions
    else map strip (builtins.sort (a: b: order a < order b) definitions);

  properties = rec {
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkAssert = condition: message: mkIf (if condition then true else throw "\nFailed assertion: ${message}");
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkForce = mkOverride 50;
    mkVMOverride = mkOverride 10;
    mkImageMediaOverride = mkOverride 60;
    mkDefault = mkOverride 1000;
    mkOptionDefault = mkOverride optionDefaultPriority;
    mkOrder = priority: content: { _type = "order"; inherit priority content; };
    mkBefore = mkOrder 500;
    mkAfter = mkOrder 1500;
    mkFixStrictness = lib.id;
    mkDefinition = definition: definition // { _type = "definition"; };
    setDefaultModuleLocation = file: module: { _file = file; imports = [ module ]; };
  };

  # Modules for options that moved or went away.
  moves = rec {
    doRename = { from, to, visible ? true, warn ? false, use ? lib.id, withPriority ? true, condition ? true }:
      { config, options, ... }: {
        options = lib.setAttrByPath from (lib.mkOption {
          inherit visible;
          description = "Alias of `${showOption to}'.";
          apply = _: use (lib.getAttrFromPath to config);
        } // lib.optionalAttrs (lib.hasAttrByPath (to ++ [ "type" ]) options) {
          type = (lib.getAttrFromPath to options).type;
        });
        config = let option = lib.getAttrFromPath from options; in properties.mkMerge (
          lib.optional (warn && options ? warnings) {
            warnings = optional option.isDefined
              "The option `${showOption from}' has been renamed to `${showOption to}'.";
          } ++ [ (lib.setAttrByPath to (properties.mkMerge (map (d: d.value) option.definitions))) ]
        );
      };
    mkRenamedOptionModule = from: to: doRename { inherit from to; warn = true; };
    mkAliasOptionModule = from: to: doRename { inherit from to; };
    mkAliasOptionModuleMD = mkAliasOptionModule;
    mkChangedOptionModule = from: to: change: { config, options, ... }: {
      options = lib.setAttrByPath from (former "Replaced by `${showOption to}'.");
      config = lib.setAttrByPath to
        (properties.mkIf (lib.getAttrFromPath from options).isDefined (change config));
    };
    mkMergedOptionModule = from: to: change: { config, options, ... }:
      let
        declare = path: lib.setAttrByPath path (former "Replaced by `${showOption to}'.");
        isUsed = path: (lib.getAttrFromPath path options).isDefined;
      in
      {
        options = builtins.foldl' lib.recursiveUpdate { } (map declare from);
        config = lib.setAttrByPath to (properties.mkIf (builtins.any isUsed from) (change config));
      };
    former = description: lib.mkOption {
      type = lib.types.anything;
      visible = false;
      inherit description;
    };
    mkRemovedOptionModule = path: advice: { options, ... }: {
      options = lib.setAttrByPath path (lib.mkOption {
        type = lib.types.anything;
        visible = false;
        apply = _: throw "The option `${showOption path}' can no longer be used since it's been removed. ${advice}";
      });
      config.assertions = [{
        assertion = !(lib.getAttrFromPath path options).isDefined;
        message = "The option definition `${showOption path}' in "
          + "${showFiles (lib.getAttrFromPath path options).files} no longer has any effect; please remove it.\n"
          + advice;
      }];
    };
  };

  # A type of options; what a type does not say has the usual meaning.
  mkOptionType = attrs@{ name, ... }: {
    _type = "option-type";
    description = name;
    check = _: true;
    merge = lib.mergeDefaultOption;
    emptyValue = { };
    getSubOptions = _: { };
    getSubModules = null;
    substSubModules = _: null;
    nestedTypes = { };
    typeMerge = _: null;
  } // attrs;

  # --- Merging ---------------------------------------------------------------

  mergeDefinitions = loc: type: definitions:
    let
      discharged = concatMap
        (d: map (value: { inherit (d) file; inherit value; }) (dischargeProperties d.value))
        definitions;
      filtered = strongest discharged;
      final = ordered filtered.kept;
      wrong = filter (d: !(type.check d.value)) final;
      isDefined = final != [ ];
      value =
        if !isDefined then throw "The option `${showOption loc}' is used but not defined."
        else if wrong != [ ] then
          throw ("A definition for option `${showOption loc}' is not of type `${type.description}'. "
            + "Definition values:${showDefs wrong}")
        else type.merge loc final;
    in
    {
      inherit isDefined value;
      definitions = final;
      priority = filtered.best;
      optionalValue = lib.optionalAttrs isDefined { inherit value; };
    };

  # One option's value from its declaration and definitions.
  evaluateOption = loc: declarations: definitions:
    let
      declaration = mergeDeclarations loc declarations;
      type = declaration.type or lib.types.unspecified;
      fallback = optional (declaration ? default) {
        file = head declaration.files;
        value = lib.mkOverride optionDefaultPriority declaration.default;
      };
      merged =
        if declaration.readOnly or false && length definitions > 1
        then
          throw ("The option `${showOption loc}' is read-only, but it's set multiple times. "
            + "Definition values:${showDefs definitions}")
        else mergeDefinitions loc type (fallback ++ definitions);
      value = builtins.addErrorContext "while evaluating the option `${showOption loc}':"
        ((declaration.apply or lib.id) merged.value);
    in
    declaration // {
      _type = "option";
      inherit loc type value definitions;
      inherit (merged) isDefined;
      definitionsWithLocations = merged.definitions;
      highestPrio = merged.priority;
      files = map (d: d.file) merged.definitions;
      declarations = declaration.files;
      __toString = _: showOption loc;
    };

  # Several declarations of one option are allowed when all are submodules: the
  # inner options add up, as in NixOS.
  mergeDeclarations = loc: declarations:
    let
      files = map (d: d.file) declarations;
      types = filter (t: t != null) (map (d: d.options.type or null) declarations);
      extend = builtins.foldl' (a: b: a.substSubModules (a.getSubModules ++ b.getSubModules)) (head types) (tail types);
      all = builtins.foldl' (a: d: a // d.options) { } declarations;
      mergeable = builtins.all (t: t.getSubModules or null != null) types;
    in
    if length declarations == 1 then (head declarations).options // { inherit files; }
    else if mergeable && length types == length declarations then all // { inherit files; type = extend; }
    else throw "The option `${showOption loc}' in `${lib.last files}' is already declared in ${showFiles (lib.init files)}.";

  # Merges declarations and definitions of one level of the tree.
  #   declarations: [{ file, options }], definitions: [{ file, value }]
  # Returns the options, their values, the definitions that no option was
  # declared for, and those that are taken without effect.
  mergeLevel = accepts: prefix: declarations: definitions:
    let
      declared = builtins.zipAttrsWith (_: values: values)
        (map (d: mapAttrs (_: options: { inherit (d) file; inherit options; }) d.options) declarations);
      pushed = concatMap
        (d: map (mapAttrs (_: value: { inherit (d) file; inherit value; }))
          (builtins.addErrorContext "while evaluating the definitions of `${showOption prefix}' in `${d.file}':"
            (pushDownProperties d.value)))
        definitions;
      defined = builtins.zipAttrsWith (_: values: values) pushed;
      merged = mapAttrs
        (name: here: mergeNamed accepts (prefix ++ [ name ]) here (defined.${name} or [ ]))
        declared;
      children = builtins.attrValues merged;

      # Accepted definitions keep their values, so that modules may read them.
      unmatched = lib.mapAttrsToList
        (name: definitions: { inherit prefix name definitions; known = attrNames declared; })
        (builtins.removeAttrs defined (attrNames declared));
      accepted = filter accepts unmatched;
      free = builtins.listToAttrs (map
        (u: {
          inherit (u) name;
          value = (mergeDefinitions (prefix ++ [ u.name ]) lib.types.anything u.definitions).value;
        })
        accepted);
    in
    {
      options = mapAttrs (_: m: m.options) merged;
      config = free // mapAttrs (_: m: m.config) merged;
      unknown = filter (u: !(accepts u)) unmatched ++ concatMap (m: m.unknown) children;
      ignored = concatMap firstLeaf accepted ++ concatMap (m: m.ignored) children;
    };

  # One name of a level: an option, or a deeper level.
  mergeNamed = accepts: loc: declarations: definitions:
    let
      leaves = filter (d: isOption d.options) declarations;
      inner = filter (d: !(isOption d.options)) declarations;
      option = evaluateOption loc declarations definitions;
      effective = concatMap (d: map (_: d) (dischargeProperties d.value)) definitions;
    in
    if inner == [ ] then {
      options = option;
      config = option.value;
      unknown = [ ];
      ignored = optional (!(option.honoured or true) && effective != [ ]) {
        path = loc;
        inherit (head effective) file;
      };
    }
    else if leaves != [ ] then
      throw ("The option `${showOption loc}' in ${showFiles (map (d: d.file) leaves)} would be a parent of "
        + "the options declared below it in ${showFiles (map (d: d.file) inner)}.")
    else mergeLevel accepts loc declarations definitions;

  # What a user sees who set an option that does not exist.
  unknownOption = unmatched:
    let path = unmatched.prefix ++ [ unmatched.name ];
    in
    "The option `${showOption path}' does not exist. Definition values:${showDefs unmatched.definitions}"
    + lib.suggest unmatched.prefix unmatched.name unmatched.known;

  # --- Evaluation ------------------------------------------------------------

  # Options of the module system itself.
  internal = { ... }: {
    _file = "<the module system>";
    key = "<the module system>";
    options._module = {
      args = lib.mkOption {
        type = lib.types.lazyAttrsOf lib.types.raw;
        default = { };
        description = "Arguments that every module may ask for.";
      };
      check = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether options that nobody declared are an error.";
      };
      freeformType = lib.mkOption {
        type = lib.types.nullOr lib.types.optionType;
        default = null;
        description = "The type of the set that takes options that nobody declared.";
      };
    };
  };

  # Evaluates modules. `accepts unmatched` says whether an option that nobody
  # declared is taken all the same; `ignored` lists those and all others that
  # have no effect, each { path, file }.
  evalModules =
    { modules
    , specialArgs ? { }
    , args ? { }
    , prefix ? [ ]
    , check ? true
    , accepts ? (_: false)
    , class ? null
    }:
    let
      arguments = specialArgs // { inherit lib specialArgs options; config = values; };
      given = {
        _file = "<arguments of evalModules>";
        key = "<arguments of evalModules>";
        config._module = {
          args = mapAttrs (_: lib.mkDefault) args;
        } // lib.optionalAttrs (!check) { check = lib.mkDefault false; };
      };
      all = collect arguments ([ internal ] ++ modules ++ [ given ]);
      merged = mergeLevel accepts prefix
        (map (m: { file = m._file; inherit (m) options; }) (filter (m: m.options != { }) all))
        (map (m: { file = m._file; value = m.config; }) all);
      inherit (merged) options;

      freeform = merged.config._module.freeformType;
      asFreeform = unmatched: map
        (d: {
          inherit (d) file;
          value = lib.setAttrByPath (lib.drop (length prefix) unmatched.prefix ++ [ unmatched.name ]) d.value;
        })
        unmatched.definitions;
      values =
        if freeform == null then merged.config
        else lib.recursiveUpdate (freeform.merge prefix (concatMap asFreeform merged.unknown)) merged.config;

      complaints = lib.optionals (freeform == null && merged.config._module.check) merged.unknown;
      checked = if complaints == [ ] then values else throw (unknownOption (head complaints));
    in
    {
      inherit options;
      inherit (merged) ignored;
      config = builtins.removeAttrs checked [ "_module" ];
      _module = merged.config._module;
      type = lib.types.submodule modules;
      extendModules = more: evalModules {
        modules = modules ++ more.modules or [ ];
        specialArgs = specialArgs // more.specialArgs or { };
        prefix = more.prefix or prefix;
        inherit args accepts check;
      };
    };

  # Names the leaves of undeclared definitions, at most two levels deeper, for
  # the message about them.
  firstLeaf = unmatched:
    let
      leaves = path: depth: value:
        let
          contents = dischargeProperties value;
          sets = filter (v: isAttrs v && !(v ? _type) && !(lib.isDerivation v) && v != { }) contents;
          name = head (attrNames (head sets));
        in
        if contents == [ ] then [ ]
        else if depth == 0 || sets == [ ] then [ path ]
        else leaves (path ++ [ name ]) (depth - 1) (head sets).${name};
      found = concatMap
        (d: map (path: { inherit path; inherit (d) file; }) (leaves (unmatched.prefix ++ [ unmatched.name ]) 2 d.value))
        unmatched.definitions;
    in
    lib.take 1 found;
in
{
  inherit evalModules mergeDefinitions pushDownProperties dischargeProperties;
  inherit (properties)
    mkAfter
    mkAssert
    mkBefore
    mkDefault
    mkDefinition
    mkFixStrictness
    mkForce
    mkIf
    mkImageMediaOverride
    mkMerge
    mkOptionDefault
    mkOrder
    mkOverride
    mkVMOverride
    setDefaultModuleLocation;
  inherit (moves)
    doRename
    mkAliasOptionModule
    mkAliasOptionModuleMD
    mkChangedOptionModule
    mkMergedOptionModule
    mkRemovedOptionModule
    mkRenamedOptionModule;
  inherit mkOptionType;
  defaultOverridePriority = defaultPriority;
}
