# A flavour's Nix half, with everything that it leaves out.
{ lib, load, request }:
let
  given = request.source or "" != "";
  source = if given then load "${request.source}/default.nix" else { };
  # What a flavour may ask for by name. One that names nothing gets it all.
  offered = { inherit lib; machine = import ./machine; arguments = request.arguments or { }; };
  wanted = builtins.functionArgs source;
  definition =
    if !builtins.isFunction source then source
    else source (if wanted == { } then offered else builtins.intersectAttrs wanted offered);
in
{
  inherit (request) name;
  modules = definition.modules or [ ];
  artifacts = definition.artifacts or (_: { });
  extra = definition.extra or (_: { });
  # What it can deploy of a flake's own outputs (see outputs.nix): null, none.
  shape = definition.shape or null;
  # Whose options are not the user's.
  folders = lib.optional given (toString request.source);
}
