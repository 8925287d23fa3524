# A flavour's Nix half, with everything that it leaves out.
{ lib, load, request }:
let
  given = request.source or "" != "";
  source = if given then load "${request.source}/default.nix" else { };
  definition = if builtins.isFunction source then source { inherit lib; } else source;
in
{
  inherit (request) name;
  modules = definition.modules or [ ];
  artifacts = definition.artifacts or (_: { });
  extra = definition.extra or (_: { });
  # Whose options are not the user's.
  folders = lib.optional given (toString request.source);
}
