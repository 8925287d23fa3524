# Evaluates one composition for one flavour.
#
# `request` is the file of a JSON request (see the Go package nix); the result
# is everything that nxc needs to plan, and is evaluated with `--strict --json`.
# Nothing is built. `scope` may bring an `import` that records what is read.
{ request, scope ? { } }:
let
  load = scope.import or import;

  asked = builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile request));
  nixpkgs = import ./nixpkgs.nix { inherit load; inherit (asked) nixpkgs system; overlays = map load asked.overlays or [ ]; };
  inherit (nixpkgs) lib;

  flavour = import ./flavour.nix { inherit lib load; request = asked.flavour; };
  composition = import ./composition.nix {
    inherit lib load nixpkgs flavour;
    file = asked.composition;
    attribute = asked.attribute or "";
    params = asked.params or { };
    inherit (asked) system;
  };
  roles = builtins.mapAttrs
    (name: module: nixpkgs.evalConfig {
      modules = [ module ./modules/nxc.nix ] ++ flavour.modules ++ map (f: load f) (asked.modules or [ ]);
    })
    composition.roles;

  describe = import ./manifest.nix { inherit lib; };
  output = drv: { drv = builtins.unsafeDiscardStringContext drv.drvPath; path = builtins.unsafeDiscardStringContext drv.outPath; };
  artifact = a: (output (a.drv or a)) // { file = a.file or ""; };
  context = { inherit lib roles; inherit (nixpkgs) pkgs; composition = composition.value; };
in
{
  nixpkgs = nixpkgs.label;
  roles = builtins.mapAttrs
    (name: role:
      builtins.addErrorContext "while evaluating the role `${name}' of ${asked.composition}:" {
        system = output role.config.system.build.toplevel;
        manifest = describe role;
      })
    roles;
  artifacts = builtins.mapAttrs (_: artifact) (flavour.artifacts context);
  distribution = composition.value.rolesDistribution or { };
  extra = flavour.extra context;
  testScript = composition.testScript roles;
  inherit (composition) testScriptAt;
  warnings = import ./warnings.nix { inherit lib roles; own = [ (toString ./.) ] ++ flavour.folders; };
}
