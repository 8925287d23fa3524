# A setup.toml of NixOSCompose: parameters of the composition, and how packages
# are built, both in variants. `params` and `package` blocks of nxc's
# configuration come last.
{ load, file, variant, params, packages ? { } }:
let
  given = file != "";
  # Who says how packages are built.
  speaker = if given then file else "the configuration";
  read = if given then builtins.fromTOML (builtins.readFile file) else { };

  own = [ "project" "options" "params" "override-params" "overrides" "build" ];
  variants = builtins.attrNames (removeAttrs read own);
  chosen = if variant != "" then variant else read.project.selected or "";
  merged = if packages == { } then varied else merge varied { build = packages; };
  varied =
    if chosen == "" then read
    else if builtins.elem chosen variants then merge read read.${chosen}
    else throw "${if given then file else "this composition"} has no variant `${chosen}'${if variants == [ ] then "" else "; it has ${builtins.concatStringsSep ", " variants}"}";

  # Sets are merged, everything else is replaced.
  merge = left: right: left // builtins.mapAttrs
    (name: value: if builtins.isAttrs value && builtins.isAttrs (left.${name} or null) then merge left.${name} value else value)
    right;

  # A package by its dotted name, such as "gcc7Stdenv" or "nur.repos.kapack.oar".
  atPath = set: name: builtins.foldl'
    (at: part: at.${part} or (throw "${speaker}: there is no package `${name}'"))
    set
    (builtins.filter builtins.isString (builtins.split "\\." name));

  folder = builtins.dirOf file;
  # The source of a package: a folder, or the arguments of one of nixpkgs's fetchers.
  source = pkgs: name: value:
    if builtins.isString value then (if builtins.substring 0 1 value == "/" then /. + value else /. + "${folder}/${value}")
    else
      let fetchers = builtins.attrNames value;
      in
      if builtins.length fetchers == 1 then pkgs.${builtins.head fetchers} value.${builtins.head fetchers}
      else throw "${speaker}: the source of ${name} must be a path, or one fetcher with its arguments";
  attributes = pkgs: name: set:
    builtins.mapAttrs (key: value: if key == "src" then source pkgs name value else value) set;

  override = name: package: package.override or (throw "${speaker}: the package `${name}' has no arguments, so args and deps cannot change them");

  operations = {
    src = pkgs: name: value: package: package.overrideAttrs (_: { src = source pkgs name value; });
    attrs = _: _: value: package: package.overrideAttrs (_: value);
    args = _: name: value: package: override name package value;
    deps = pkgs: name: value: package: override name package (builtins.mapAttrs (_: atPath pkgs) value);
  };
  # Arguments before attributes: an override starts the package afresh.
  order = [ "args" "deps" "src" "attrs" ];
  build = pkgs: name: wanted: package:
    let unknown = builtins.attrNames (removeAttrs wanted order);
    in
    if unknown != [ ] then throw "${speaker}: build.${name} has `${builtins.head unknown}'; it may have ${builtins.concatStringsSep ", " order}"
    else builtins.foldl'
      (at: operation: if wanted ? ${operation} then operations.${operation} pkgs name wanted.${operation} at else at)
      package
      order;

  unknown = name: "${speaker} changes the package `${name}', which does not exist";

  # One overlay for a set of changes { name = how; nur.repos.REPO.name = how; }.
  overlay = change: repositoriesOf: wanted: final: previous:
    let
      plain = removeAttrs wanted [ "nur" "options" ];
      package = set: name: how: change previous name how (set.${name} or (throw (unknown name)));
      repositories = builtins.mapAttrs
        (repository: packages: previous.nur.repos.${repository} // builtins.mapAttrs (package previous.nur.repos.${repository}) packages)
        (repositoriesOf wanted);
    in
    builtins.mapAttrs (package previous) plain
    // { nxcUnknownPackages = previous.nxcUnknownPackages or [ ] ++ builtins.filter (name: !(previous ? ${name})) (builtins.attrNames plain); }
    // (if repositories == { } then { } else { nur = previous.nur // { repos = previous.nur.repos // repositories; }; });

  all = (merged.params or { }) // (merged."override-params" or { }) // params;
in
{
  setup = merged // { params = all; project = (merged.project or { }) // { selected = if chosen != "" then chosen else all.selected or ""; }; };
  overlays =
    (if merged ? overrides then [ (overlay (pkgs: name: set: package: package.overrideAttrs (_: attributes pkgs name set)) (w: w.nur or { }) merged.overrides) ] else [ ])
    ++ (if merged ? build then [ (overlay build (w: w.nur.repos or { }) merged.build) ] else [ ]);
  # A package that nothing uses is no less misspelt.
  check = pkgs: value: if pkgs.nxcUnknownPackages or [ ] == [ ] then value else throw (unknown (builtins.head pkgs.nxcUnknownPackages));
  # Parameters of the kernel count for every role, in flavours that have one.
  modules =
    let parameters = merged.options."kernel-params" or "";
    in
    if parameters == "" then [ ]
    else [ { _file = file; boot.kernelParams = builtins.filter (p: builtins.isString p && p != "") (builtins.split "[ \t\n]+" parameters); } ];
  warnings =
    if merged ? options && merged.options ? "nix-flags"
    then [ "${file}: options.nix-flags is not used by nxc; a build block, or the flake's inputs, say the same" ]
    else [ ];
}
