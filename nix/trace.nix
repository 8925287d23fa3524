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
  # The folder of a real nixpkgs, "" for none.
  nixpkgs,
}:
let
  record =
    kind: path: value:
    builtins.trace "nxc-read ${builtins.toJSON [ kind (toString path) ]}" value;

  # What a filter lets into the store is read; what it leaves out is not.
  recordKept =
    keep: path: type:
    if keep path type then record "node" path true else false;

  # The copy itself is logged in between, as if it were one of the whole tree.
  filtered =
    path: copy:
    record "filter" path (builtins.seq copy (record "filtered" path copy));

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

  # Nix remembers what it imported, but not what it imported with a scope: each
  # of a nixpkgs's files would be parsed and evaluated for every place that
  # imports it. So a folder is a tree that is as lazy as it is deep.
  imported = path: record "import" path (builtins.scopedImport scope path);
  folder = path: {
    value = imported path;
    entries = builtins.mapAttrs (name: entryOf "${path}/${name}") (builtins.readDir path);
  };
  entryOf =
    path: type:
    if type == "directory" then
      folder path
    else if type == "regular" then
      {
        value = imported path;
        entries = { };
      }
    else
      null;
  remembered =
    map
      (root: {
        prefix = "${root}/";
        size = builtins.stringLength root + 1;
        tree = folder root;
      })
      (builtins.filter (root: root != "") [
        (toString (builtins.dirOf entry))
        nixpkgs
      ]);
  importOnce =
    path:
    let
      name = builtins.unsafeDiscardStringContext "${toString path}/";
      roots = builtins.filter (r: builtins.substring 0 r.size name == r.prefix) remembered;
      root = builtins.head roots;
      steps = builtins.filter (s: builtins.isString s && s != "") (
        builtins.split "/" (builtins.substring root.size (-1) name)
      );
      found = builtins.foldl' (
        at: step: if at == null then null else at.entries.${step} or null
      ) root.tree steps;
    in
    if roots == [ ] || found == null then imported path else found.value;

  # Only what this version of Nix has.
  reading = builtins.intersectAttrs builtins {
    import = importOnce;
    scopedImport = more: path: record "import" path (builtins.scopedImport (scope // more) path);
    readFile = path: record "file" path (builtins.readFile path);
    hashFile = type: path: record "file" path (builtins.hashFile type path);
    readDir = path: record "list" path (builtins.readDir path);
    pathExists = path: record "exists" path (builtins.pathExists path);
    readFileType = path: record "type" path (builtins.readFileType path);
    filterSource = keep: path: filtered path (builtins.filterSource (recordKept keep) path);
    path =
      args:
      if args ? filter then
        filtered args.path (builtins.path (args // { filter = recordKept args.filter; }))
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
