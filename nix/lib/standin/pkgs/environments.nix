# Packages put together from others, by links.
{ lib, host, pkgs }:
let
  # Every package linked file by file; folders are real, so that they merge.
  # The first package that has a file gives it.
  linkScript = ''
    linkInto() {
      local from=$1 to=$2 entry name
      for entry in "$from"/* "$from"/.[!.]*; do
        [ -e "$entry" ] || [ -L "$entry" ] || continue
        name=$(basename "$entry")
        if [ -d "$entry" ] && { [ -d "$to/$name" ] || [ ! -L "$entry" ]; }; then
          if [ -L "$to/$name" ]; then
            local earlier=$(readlink "$to/$name")
            rm "$to/$name"
            mkdir "$to/$name"
            linkInto "$earlier" "$to/$name"
          fi
          mkdir -p "$to/$name"
          linkInto "$entry" "$to/$name"
        elif [ ! -e "$to/$name" ] && [ ! -L "$to/$name" ]; then
          ln -s "$entry" "$to/$name"
        fi
      done
    }
  '';
in
rec {
  symlinkJoin = args@{ name ? "${args.pname}-${args.version}", paths, postBuild ? "", preferLocalBuild ? true, allowSubstitutes ? false, ... }:
    pkgs.runCommand name
      (builtins.removeAttrs args [ "name" "paths" "postBuild" "pname" "version" ] // { inherit preferLocalBuild allowSubstitutes paths; })
      ''
        ${linkScript}
        mkdir -p "$out"
        for path in $paths; do linkInto "$path" "$out"; done
        ${postBuild}
      '';

  buildEnv =
    { name
    , paths
    , pathsToLink ? [ "/" ]
    , extraPrefix ? ""
    , ignoreCollisions ? false
    , checkCollisionContents ? true
    , postBuild ? ""
    , extraOutputsToInstall ? [ ]
    , buildInputs ? [ ]
    , nativeBuildInputs ? [ ]
    , manifest ? ""
    , passthru ? { }
    , meta ? { }
    }:
    let
      programs = lib.unique (lib.concatMap (p: map host.program (p.hostPrograms or [ ])) paths);
      others = builtins.filter (p: !(p ? hostPrograms)) paths;
    in
    pkgs.runCommand name
      {
        inherit passthru meta nativeBuildInputs;
        paths = others;
        inherit programs;
        passAsFile = [ "programs" ];
        folders = pathsToLink;
        prefix = extraPrefix;
      }
      ''
        ${linkScript}
        root=$out$prefix
        mkdir -p "$root"
        for folder in $folders; do
          for path in $paths; do
            [ -d "$path$folder" ] || continue
            mkdir -p "$root$folder"
            linkInto "$path$folder" "$root$folder"
          done
        done
        # Programs of the distribution lie in one tree: link those that were
        # asked for.
        if [ -s "$programsPath" ]; then
          mkdir -p "$root/bin"
          cd "$root/bin"
          for program in $(cat "$programsPath"); do
            link=''${program##*/}
            [ -e "$link" ] || [ -L "$link" ] || echo "$program"
          done | xargs -r sh -c 'ln -s "$@" ./' sh
          cd "$NIX_BUILD_TOP"
        fi
        ${postBuild}
      '';

  linkFarm = name: entries:
    let
      list = if builtins.isAttrs entries then lib.mapAttrsToList (name: path: { inherit name path; }) entries else entries;
      line = entry: ''
        mkdir -p "$(dirname ${lib.escapeShellArg entry.name})"
        ln -s ${lib.escapeShellArg "${entry.path}"} ${lib.escapeShellArg entry.name}
      '';
    in
    pkgs.runCommand name { preferLocalBuild = true; } ''
      mkdir -p "$out"
      cd "$out"
      ${lib.concatMapStrings line list}
    '';
  linkFarmFromDrvs = name: packages: linkFarm name (map (p: { inherit (p) name; path = p; }) packages);

  # The closure of some paths, as a list of store paths and as a registration.
  closureInfo = { rootPaths }:
    pkgs.runCommand "closure-info"
      { exportReferencesGraph = lib.concatLists (lib.imap0 (i: p: [ "graph${toString i}" p ]) (lib.toList rootPaths)); }
      ''
        mkdir "$out"
        cat graph* > "$out/registration"
        grep '^/nix/store/' graph* -h | sort -u > "$out/store-paths"
      '';
}
