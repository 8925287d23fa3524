# What a NixOSCompose project's flake.nix says that it composes.
#
# The flake is called with its locked inputs, as Nix does, except for two: its
# nixpkgs is the one that nxc's configuration chose, and NixOSCompose itself is a
# stand-in whose `lib.compose` returns its arguments. So everything that the flake
# computes (overlays, modules, NUR, compositions written in place) reaches nxc as
# it is, and nothing of NixOSCompose is fetched or evaluated.
{ load, folder, system, nixpkgs }:
let
  file = folder + "/flake.nix";
  lockFile = folder + "/flake.lock";
  flake = if builtins.pathExists file then load file else throw "${folder} has no flake.nix";
  lock =
    if builtins.pathExists lockFile then builtins.fromJSON (builtins.readFile lockFile)
    else { nodes = { }; };
  nodeOf = name: lock.nodes.${name} or { };
  rootName = lock.root or "root";

  # An input is the name of a node, or a path of inputs that begins at the root.
  follow = node: path:
    if path == [ ] then node
    else follow (resolve ((nodeOf node).inputs.${builtins.head path} or (missing (builtins.head path)))) (builtins.tail path);
  resolve = reference: if builtins.isList reference then follow rootName reference else reference;
  missing = name: throw "${lockFile} does not lock the input `${name}': run `nix flake lock' in ${folder}";

  isNixosCompose = name: source:
    name == "nxc" || source.repo or "" == "nixos-compose"
    || builtins.match ".*/nixos-compose(\\.git)?([?#/].*)?" (source.url or "") != null;

  fetch = source:
    let
      host = standard: source.host or standard;
      tarball = url: builtins.fetchTarball { inherit url; sha256 = source.narHash; };
      git = builtins.fetchGit ({ inherit (source) url rev; } // (if source ? ref then { inherit (source) ref; } else { allRefs = true; }));
    in
    if source.type == "github" then tarball "https://${host "github.com"}/${source.owner}/${source.repo}/archive/${source.rev}.tar.gz"
    else if source.type == "gitlab" then tarball "https://${host "gitlab.com"}/api/v4/projects/${source.owner}%2F${source.repo}/repository/archive.tar.gz?sha=${source.rev}"
    else if source.type == "sourcehut" then tarball "https://${host "git.sr.ht"}/${source.owner}/${source.repo}/archive/${source.rev}.tar.gz"
    else if source.type == "tarball" then tarball source.url
    else if source.type == "git" then "${git}"
    else if source.type == "path" then
      let path = /. + (if builtins.substring 0 1 source.path == "/" then source.path else folder + "/" + source.path);
      in if source ? narHash then "${builtins.path { name = "source"; inherit path; sha256 = source.narHash; }}" else toString path
    else throw "nxc cannot fetch an input of type `${source.type}'";

  # An input's value: what its own flake.nix gives, called with its own inputs.
  input = node:
    let
      locked = (nodeOf node).locked;
      root = fetch locked;
      path = if locked.dir or "" == "" then root else "${root}/${locked.dir}";
      info = { outPath = path; narHash = locked.narHash or null; lastModified = locked.lastModified or 0; lastModifiedDate = "19700101000000"; }
        // (if locked ? rev then { inherit (locked) rev; shortRev = builtins.substring 0 7 locked.rev; } else { });
      own = load "${path}/flake.nix";
      outputs = own.outputs (builtins.mapAttrs (name: reference: choose name (resolve reference)) ((nodeOf node).inputs or { }) // { inherit self; });
      self = outputs // info // { inputs = (nodeOf node).inputs or { }; inherit outputs; sourceInfo = info; };
    in
    if (nodeOf node).flake or true then self else info // { sourceInfo = info; };

  choose = name: node:
    if node == chosenNode then chosenNixpkgs
    else if isNixosCompose name ((nodeOf node).locked or { }) then compose
    else input node;

  # The nixpkgs that the configuration chose stands for the flake's own.
  chosenNode = resolve ((nodeOf rootName).inputs.nixpkgs or null);
  chosenNixpkgs = {
    inherit (nixpkgs) lib;
    outPath = nixpkgs.path or (throw "this flake imports nixpkgs by its path, which the embedded one does not have");
    legacyPackages.${system} = nixpkgs.pkgs;
    nxc-nixpkgs = true;
  };

  compose = {
    lib = import ./helpers.nix // {
      compose = arguments: { nxc-composed = arguments; };
      nur = arguments: import ./nur.nix ({ inherit load; } // arguments);
      flavours = { };
    };
    # A shell for NixOSCompose's own command, which nobody asks for here.
    devShells.${system} = { };
    packages.${system} = throw "this flake takes a package from NixOSCompose itself, which nxc does not bring";
  };

  # Every input that the flake declares or asks for by name.
  wanted = builtins.functionArgs flake.outputs;
  names = builtins.attrNames (removeAttrs (wanted // flake.inputs or { } // (nodeOf rootName).inputs or { }) [ "self" ]);
  inputs = builtins.listToAttrs (map
    (name: {
      inherit name;
      value =
        let declared = flake.inputs.${name} or { };
        in
        if name == "nixpkgs" then chosenNixpkgs
        else if isNixosCompose name (if builtins.isAttrs declared then declared else { }) then compose
        else choose name (resolve ((nodeOf rootName).inputs.${name} or (missing name)));
    })
    names);

  outputs = flake.outputs (inputs // { self = outputs // { outPath = folder; inherit inputs; }; });
  packages = outputs.packages.${system} or (throw "this flake has no packages.${system}, where NixOSCompose's lib.compose would stand");
  arguments = packages.nxc-composed or (throw "this flake does not call NixOSCompose's lib.compose for packages.${system}, so nxc cannot tell what ${ready} composed of; say `source' instead of `flake'");
  # Outputs that something else made: images, and none of the roles in them.
  made = builtins.filter (name: builtins.match ".*::.*" name != null) (builtins.attrNames packages);
  ready = if made == [ ] then "it is" else "its outputs ${builtins.concatStringsSep ", " made} are";
  given = name: arguments.${name} or null != null;
  composed =
    if given "compositions" then arguments.compositions
    else if given "composition" then arguments.composition
    else folder + "/composition.nix";
  # Where the composition stands, when the flake does not import it itself.
  stands = composition: if builtins.isPath composition then toString composition else file;
in
{
  file = stands composed;
  # One composition, or several by name; each a path, a function or a set.
  composition = composed;
  # The nixpkgs that the flake composes with, if it is another of its inputs.
  otherNixpkgs =
    if !(given "nixpkgs") || arguments.nixpkgs ? nxc-nixpkgs then null
    else { path = "${arguments.nixpkgs}"; revision = arguments.nixpkgs.rev or ""; };
  # Such a project counts on it that root of any node may log in on the others.
  modules = [
    ({ config, lib, ... }: { nxc.root-sshKeys.betweenNodes = lib.mkDefault config.nxc.root-sshKeys.enable; })
  ] ++ (if given "extraConfigurations" then arguments.extraConfigurations else [ ]);
  overlays = if given "overlays" then arguments.overlays else [ ];
  setup = if given "setup" then toString arguments.setup else "";
  nur =
    if arguments ? NUR then import ./nur.nix { inherit load system; inherit (arguments) nixpkgs NUR; repoOverrides = arguments.repoOverrides or { }; }
    else if arguments ? nur then arguments.nur
    else null;
}
