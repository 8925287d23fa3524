# The Nix User Repository for one nixpkgs: as an overlay (`pkgs.nur`), and its
# repositories for their NixOS modules. `repoOverrides` puts other sources in the
# place of repositories, each a flake's input or a path.
{ load, nixpkgs, system, NUR, repoOverrides ? { } }:
let
  repositories = pkgs: load "${NUR}" {
    inherit pkgs;
    nurpkgs = pkgs;
    repoOverrides = builtins.mapAttrs (_: source: load "${source}" { inherit pkgs; }) repoOverrides;
  };
in
{
  overlay = _: previous: { nur = repositories previous; };
  inherit (repositories nixpkgs.legacyPackages.${system}) repos;
}
