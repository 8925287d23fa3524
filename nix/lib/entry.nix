# Evaluates one composition for one flavour.
#
# `request` is the file of a JSON request (see the Go package nix); the result
# is everything that nxc needs to plan, and is evaluated with `--strict --json`.
# Nothing is built. `scope` may bring an `import` that records what is read.
{ request, scope ? { } }:
let
  load = scope.import or import;

  asked = builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile request));
  inherit (asked) system;
  collection = nixpkgs: overlays: import ./nixpkgs.nix { inherit load nixpkgs system overlays; };

  # A NixOSCompose project says in its flake what else belongs to a composition.
  project =
    if asked.flake or "" == "" then
      { outputs = null; file = asked.composition; composition = asked.composition; modules = [ ]; overlays = [ ]; setup = ""; nur = null; otherNixpkgs = null; }
    else
      import ./flake.nix {
        inherit load system;
        folder = asked.flake;
        outputs = asked.outputs or false;
        nixpkgs = collection asked.nixpkgs [ ] // { path = asked.nixpkgs.path or null; locked = asked.nixpkgs.locked or false; };
      };
  setup = import ./setup.nix {
    inherit load;
    file = if asked.setup or "" != "" then asked.setup else project.setup;
    variant = asked.variant or "";
    params = asked.params or { };
    packages = asked.packages or { };
  };
  chosen = if project.otherNixpkgs == null then asked.nixpkgs else { embedded = false; inherit (project.otherNixpkgs) path; config = asked.nixpkgs.config or { }; };
  nixpkgs = if project.outputs != null then collection asked.nixpkgs [ ] else collection chosen (
    (if project.nur ? overlay then [ project.nur.overlay ] else [ ])
    ++ project.overlays ++ map load asked.overlays or [ ] ++ setup.overlays
  );
  inherit (nixpkgs) lib;

  flavour = import ./flavour.nix { inherit lib load; request = asked.flavour; };
  composition = import ./composition.nix {
    inherit lib load nixpkgs flavour system;
    inherit (setup) setup;
    inherit (project) file nur;
    source = if asked.flake or "" == "" || asked.composition or "" == "" then project.composition else asked.composition;
    attribute = asked.attribute or "";
  };
  roles = builtins.mapAttrs
    (_: module: nixpkgs.evalConfig { modules = modulesOf module; })
    composition.roles;
  modulesOf = module: [ module ./modules/nxc.nix ] ++ flavour.modules ++ project.modules ++ setup.modules ++ map (f: load f) (asked.modules or [ ]);

  describe = import ./manifest.nix { inherit lib; };
  output = drv: { drv = builtins.unsafeDiscardStringContext drv.drvPath; path = builtins.unsafeDiscardStringContext drv.outPath; };
  artifact = a: (output (a.drv or a)) // { file = a.file or ""; later = a.later or false; };
  context = {
    inherit lib roles;
    inherit (nixpkgs) pkgs;
    composition = composition.value;
  } // lib.optionalAttrs (asked ? nodes) {
    # What a NixOS test is made of: each node's role, the roles as modules, and
    # the script with what it refers to.
    nodes = import ./nodes.nix { inherit lib; roles = composition.roles; distribution = composition.value.rolesDistribution or { } // asked.nodes; };
    modules = builtins.mapAttrs (_: modulesOf) composition.roles;
    testScript = composition.script roles;
  };

  # A flake's own outputs are systems that are made already: nothing can be added,
  # and what is in them is not known.
  own =
    let
      changes = builtins.filter (name: !(builtins.elem (asked.${name} or null) [ null "" [ ] { } ]))
        [ "composition" "setup" "variant" "params" "packages" "modules" "overlays" ]
        ++ lib.optional (asked.nixpkgs.config or { } != { }) "nixpkgs_config";
      called = { composition = "source"; packages = "package"; };
      made = import ./outputs.nix {
        inherit (nixpkgs) lib pkgs;
        inherit system flavour;
        packages = project.outputs;
        attribute = asked.attribute or "";
        label = asked.label;
      };
      context = { inherit lib; inherit (nixpkgs) pkgs; inherit (made) roles composition; own = true; };
    in
    if changes != [ ] then throw "its outputs are used as they are, so nothing can be said about how they are made: leave out ${lib.concatMapStringsSep ", " (name: called.${name} or name) changes}"
    else {
      nixpkgs = nixpkgs.label;
      roles = builtins.mapAttrs (_: role: { system = output role.config.system.build.toplevel; opaque = true; }) made.roles;
      artifacts = builtins.mapAttrs (_: artifact) (flavour.artifacts context);
      inherit (made) distribution testScript;
      params = { };
      extra = flavour.extra context;
      testScriptAt = null;
      warnings = made.warnings ++ lib.optional (!(asked.outputs or false))
        "${project.file} does not call NixOSCompose's lib.compose, so its outputs are used as they are; `outputs = true' says that this is meant";
    };
in
if project.outputs != null then own else
{
  nixpkgs = setup.check nixpkgs.pkgs nixpkgs.label;
  roles = builtins.mapAttrs
    (name: role:
      builtins.addErrorContext "while evaluating the role `${name}' of ${project.file}:" {
        system = output role.config.system.build.toplevel;
        manifest = describe role;
      })
    roles;
  artifacts = builtins.mapAttrs (_: artifact) (flavour.artifacts context);
  distribution = composition.value.rolesDistribution or { };
  inherit (setup.setup) params;
  extra = flavour.extra context;
  testScript = composition.testScript roles;
  inherit (composition) testScriptAt;
  warnings = setup.warnings ++ import ./warnings.nix { inherit lib roles; own = [ "nxc's own module" (toString ./.) ] ++ flavour.folders; };
}
