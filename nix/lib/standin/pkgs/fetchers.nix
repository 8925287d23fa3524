# Sources. The stand-in has no network: what is named by content is fetched by
# Nix itself, everything else is refused with an explanation.
{ lib, pkgs }:
let
  fixed = hash: sha256: sha1: md5:
    if hash != "" then { outputHash = hash; outputHashAlgo = if lib.hasInfix "-" hash then null else "sha256"; }
    else if sha256 != "" then { outputHash = sha256; outputHashAlgo = "sha256"; }
    else if sha1 != "" then { outputHash = sha1; outputHashAlgo = "sha1"; }
    else throw "fetchurl needs a hash";
in
rec {
  # Nix's own downloader builds this, so no program is needed; without network it
  # fails when built, not when evaluated.
  fetchurl = { url ? builtins.head urls, urls ? [ url ], hash ? "", sha256 ? "", sha1 ? "", md5 ? "", name ? baseNameOf url, executable ? false, ... }:
    derivation ({
      inherit name url urls executable;
      builder = "builtin:fetchurl";
      system = "builtin";
      outputHashMode = if executable then "recursive" else "flat";
      preferLocalBuild = true;
      unpack = false;
    } // lib.filterAttrs (_: v: v != null) (fixed hash sha256 sha1 md5));
  fetchzip = args: throw "fetchzip: the embedded stand-in cannot unpack downloads; put the sources beside the composition, or use a real nixpkgs";
  fetchFromGitHub = { owner, repo, rev ? "", tag ? "", ... }: throw "fetchFromGitHub ${owner}/${repo}: the embedded stand-in has no network; put the sources beside the composition, or use a real nixpkgs";
  fetchFromGitLab = fetchFromGitHub;
  fetchgit = { url, ... }: throw "fetchgit ${url}: the embedded stand-in has no network; put the sources beside the composition, or use a real nixpkgs";
  nix-gitignore.gitignoreSource = _: path: path;
}
