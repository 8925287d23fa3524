# Evaluates nxc's library under builtins that say what they read, so that nxc
# knows when an evaluation that it remembers still holds.
#
# A record is a trace, "nxc-read [KIND,PATH]", written before the value is
# used. The scope is propagated into everything that is imported; it changes no
# value, and so no derivation.
{
  # The library's entry.nix, and the file that says what to evaluate.
  entry,
  request,
}:
let
  record =
    kind: path: value:
    builtins.trace "nxc-read ${builtins.toJSON [ kind (toString path) ]}" value;

  # What a filter lets into the store is read; what it leaves out is not.
  recordKept =
    keep: path: type:
    if keep path type then record "node" path true else false;

  # A fetch that names what it expects always yields the same.
  isPinned =
    args:
    builtins.isAttrs args
    && builtins.any (name: builtins.isString (args.${name} or null) && args.${name} != "") [
      "sha256"
      "narHash"
      "rev"
    ];

  fetcher =
    name: args:
    if isPinned args then builtins.${name} args else record "impure" name (builtins.${name} args);

  # Only what this version of Nix has.
  reading = builtins.intersectAttrs builtins {
    import = path: record "import" path (builtins.scopedImport scope path);
    scopedImport = more: path: record "import" path (builtins.scopedImport (scope // more) path);
    readFile = path: record "file" path (builtins.readFile path);
    hashFile = type: path: record "file" path (builtins.hashFile type path);
    readDir = path: record "list" path (builtins.readDir path);
    pathExists = path: record "exists" path (builtins.pathExists path);
    readFileType = path: record "type" path (builtins.readFileType path);
    filterSource = keep: path: record "node" path (builtins.filterSource (recordKept keep) path);
    path =
      args:
      if args ? filter then
        record "node" args.path (builtins.path (args // { filter = recordKept args.filter; }))
      else
        record "tree" args.path (builtins.path args);
    findFile =
      folders: name:
      if folders == builtins.nixPath then
        builtins.findFile folders name
      else
        record "impure" "findFile" (builtins.findFile folders name);
    currentTime = record "impure" "currentTime" builtins.currentTime;
    getFlake = reference: record "impure" "getFlake" (builtins.getFlake reference);
    fetchurl = fetcher "fetchurl";
    fetchTarball = fetcher "fetchTarball";
    fetchGit = fetcher "fetchGit";
    fetchMercurial = fetcher "fetchMercurial";
    fetchTree = fetcher "fetchTree";
  };

  recordingBuiltins = builtins // reading // { builtins = recordingBuiltins; };

  # Nix offers a few builtins under their own name, and all others behind "__".
  globals = [
    "import"
    "scopedImport"
    "fetchTarball"
    "fetchGit"
    "fetchMercurial"
    "fetchTree"
  ];
  isGlobal = name: builtins.elem name globals;
  scope =
    builtins.listToAttrs (
      map (name: {
        name = if isGlobal name then name else "__${name}";
        value = reading.${name};
      }) (builtins.attrNames reading)
    )
    // {
      builtins = recordingBuiltins;
    };

  # nxc only trusts records of a Nix that logs this copy.
  probe = "${./probe.txt}";
in
builtins.seq probe (scope.import entry { inherit request scope; })
