# The package collection: the embedded stand-in, or a real nixpkgs. Both give
# { lib, pkgs, evalConfig, modulesPath, label }.
{ nixpkgs, system, overlays, load }:
let
  given = nixpkgs.config or { };
  embedded =
    let
      index = builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile nixpkgs.standin))
        // { emulator = nixpkgs.emulator or null; };
      standin = import ./standin { inherit index system overlays; config = given; };
    in
    {
      inherit (standin) lib pkgs modulesPath;
      evalConfig = { modules, specialArgs ? { } }: standin.evalConfig { inherit system modules specialArgs; inherit (standin) pkgs; };
      label = {
        label = "embedded (${index.label})";
        version = index.version;
        revision = builtins.substring 11 12 index.tree;
      };
    };

  real =
    let
      path = nixpkgs.path;
      # Everything that nixpkgs takes from its surroundings is given here.
      pkgs = load path { inherit system overlays; config = given; };
      lib = pkgs.lib;
      evaluate = load "${path}/nixos/lib/eval-config.nix";
      version = lib.fileContents "${path}/.version";
      revisionFile = "${path}/.git-revision";
    in
    if builtins.compareVersions version "19.09" < 0 then throw "nxc needs NixOS 19.09 or later, and the nixpkgs at ${toString path} is ${version}"
    else {
      inherit lib pkgs;
      modulesPath = "${path}/nixos/modules";
      # Roles share one collection, unless a role chooses overlays or a
      # configuration of nixpkgs of its own.
      evalConfig = { modules, specialArgs ? { } }: evaluate {
        inherit system specialArgs;
        modules = modules ++ [
          ({ config, ... }:
            let configured = config.nixpkgs.config != given;
            in
            {
              # Not by nixpkgs.pkgs, beside which newer releases let nobody speak
              # of nixpkgs.config.
              _module.args.pkgs = lib.mkIf (!configured) (lib.mkForce
                (if config.nixpkgs.overlays == [ ] then pkgs else pkgs.appendOverlays config.nixpkgs.overlays));
              nixpkgs.overlays = lib.mkIf configured (lib.mkBefore overlays);
              # A role with a configuration of its own has this one, too.
              nixpkgs.config = lib.mkIf (given != { }) given;
            })
          # The release that the nixpkgs is, so that users need not say it.
          { system.stateVersion = lib.mkDefault (lib.trivial.release or version); }
        ];
      };
      label = {
        label = "nixpkgs ${version}";
        inherit version;
        revision = if builtins.pathExists revisionFile then lib.fileContents revisionFile else "";
      };
    };
in
if nixpkgs.embedded then
  (if nixpkgs ? standin then embedded else throw "the request lacks nixpkgs.standin, the index of the embedded stand-in")
else real
