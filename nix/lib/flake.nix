# What a NixOSCompose project's flake.nix says that it composes.
#
# The flake is called with its locked inputs, as Nix does, except for two: its
# nixpkgs is the one that nxc's configuration chose, and NixOSCompose itself is a
# stand-in whose `lib.compose` returns its arguments. So everything that the flake
# computes (overlays, modules, NUR, compositions written in place) reaches nxc as
# it is, and nothing of NixOSCompose is fetched or evaluated.
#
# A flake that hands nothing to `lib.compose` has only its outputs, and so has one
# that is asked for them (`outputs`): then it is called with the NixOSCompose and
# the nixpkgs that its lock file names, unless the configuration chose another
# nixpkgs, and `outputs` of the result are its packages (see outputs.nix).
{ load, folder, system, nixpkgs, outputs ? false }:
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

  # A time in seconds as Nix tells flakes, YYYYMMDDhhmmss: nixpkgs has it in the
  # names of its systems.
  dateOf = seconds:
    let
      # Days, counted from the first of March of the year 0.
      days = seconds / 86400 + 719468;
      era = days / 146097;
      day = days - era * 146097;
      year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
      dayOfYear = day - (365 * year + year / 4 - year / 100);
      month = (5 * dayOfYear + 2) / 153;
      digits = n: (if n < 10 then "0" else "") + toString n;
      rest = seconds - seconds / 86400 * 86400;
    in
    builtins.concatStringsSep "" (map digits [
      (year + era * 400 + (if month < 10 then 0 else 1))
      (if month < 10 then month + 3 else month - 9)
      (dayOfYear - (153 * month + 2) / 5 + 1)
      (rest / 3600)
      (rest / 60 - rest / 3600 * 60)
      (rest - rest / 60 * 60)
    ]);

  # An input's value: what its own flake.nix gives, called with its own inputs.
  # `own` says that all inputs are the flake's own.
  input = own: node:
    let
      locked = (nodeOf node).locked;
      root = fetch locked;
      path = if locked.dir or "" == "" then root else "${root}/${locked.dir}";
      info = { outPath = path; narHash = locked.narHash or null; lastModified = locked.lastModified or 0; lastModifiedDate = dateOf info.lastModified; }
        // (if locked ? rev then { inherit (locked) rev; shortRev = builtins.substring 0 7 locked.rev; } else { });
      outputs = (load "${path}/flake.nix").outputs (builtins.mapAttrs (name: reference: choose own name (resolve reference)) ((nodeOf node).inputs or { }) // { inherit self; });
      self = outputs // info // { inputs = (nodeOf node).inputs or { }; inherit outputs; sourceInfo = info; };
    in
    if (nodeOf node).flake or true then self else info // { sourceInfo = info; };

  choose = own: name: node:
    if node == chosenNode && !(own && nixpkgs.locked) then chosenNixpkgs
    else if !own && isNixosCompose name ((nodeOf node).locked or { }) then compose
    else input own node;

  # The nixpkgs that the configuration chose stands for the flake's own.
  chosenNode = resolve ((nodeOf rootName).inputs.nixpkgs or null);
  chosenNixpkgs = {
    lib = nixpkgs.lib // { nixosSystem = arguments: nixpkgs.evalConfig { modules = arguments.modules or [ ]; specialArgs = arguments.specialArgs or { }; }; };
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
    packages.${system} = throw "this flake takes a package from NixOSCompose itself, which nxc does not bring; with `outputs = true' its own outputs are used as they are";
  };

  # Every input that the flake declares or asks for by name.
  wanted = builtins.functionArgs flake.outputs;
  names = builtins.attrNames (removeAttrs (wanted // flake.inputs or { } // (nodeOf rootName).inputs or { }) [ "self" ]);
  inputs = own: builtins.listToAttrs (map
    (name: {
      inherit name;
      value =
        let declared = flake.inputs.${name} or { };
        in
        if name == "nixpkgs" && !(own && nixpkgs.locked) then chosenNixpkgs
        else if !own && isNixosCompose name (if builtins.isAttrs declared then declared else { }) then compose
        else choose own name (resolve ((nodeOf rootName).inputs.${name} or (missing name)));
    })
    names);

  called = own:
    let
      given = inputs own;
      result = flake.outputs (given // { self = result // { outPath = folder; inputs = given; }; });
    in
    result.packages.${system} or (throw "this flake has no packages.${system}, where NixOSCompose's lib.compose would stand");
  packages = called false;
  arguments = packages.nxc-composed;
  # Whether the flake's own outputs are all that there is.
  ready = outputs || !(packages ? nxc-composed) && (made || throw "this flake does not call NixOSCompose's lib.compose for packages.${system}, nor does it have outputs like \"NAME::FLAVOUR\" there, so nxc cannot tell what it is composed of; say `source' instead of `flake'");
  made = builtins.any (name: builtins.match ".*::.*" name != null) (builtins.attrNames packages);
  given = name: arguments.${name} or null != null;
  composed =
    if given "compositions" then arguments.compositions
    else if given "composition" then arguments.composition
    else folder + "/composition.nix";
  # Where the composition stands, when the flake does not import it itself.
  stands = composition: if builtins.isPath composition then toString composition else file;
in
if ready then
  { inherit file; outputs = called true; composition = null; modules = [ ]; overlays = [ ]; setup = ""; nur = null; otherNixpkgs = null; }
else {
  file = stands composed;
  outputs = null;
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
