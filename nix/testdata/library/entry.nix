# A library as small as tests need: it takes compositions whose roles are
# derivations, and yields what nxc's own library yields.
{
  request,
  scope ? { },
}:
let
  asked = builtins.fromJSON (builtins.readFile request);
  tools = import ./tools.nix { inherit (asked) system; };
  composition = import asked.composition {
    inherit (tools) pkgs;
    setup.params = asked.params;
  };
  flavour = if asked.flavour ? source then import asked.flavour.source else _: { };
  output = drv: {
    drv = builtins.unsafeDiscardStringContext drv.drvPath;
    path = builtins.unsafeDiscardStringContext drv.outPath;
  };
  role =
    name: value:
    builtins.addErrorContext "while evaluating the role '${name}':" {
      system = output value;
      manifest = {
        packages = value.packages or [ ];
        units = { };
        etc = { };
        kernel = null;
        users = [ ];
        options = { };
      };
    };
in
{
  nixpkgs = {
    label = "test";
    version = "1";
    revision = "";
  };
  roles = builtins.mapAttrs role composition.roles;
  artifacts = builtins.mapAttrs (_: drv: output drv // { file = "image.tar"; }) (
    flavour composition.roles
  );
  distribution = composition.rolesDistribution or { };
  extra = { };
  testScript = composition.testScript or null;
  warnings = composition.warnings or [ ];
}
