# What a flake's own output "NAME::FLAVOUR" holds: the compose-info of NixOSCompose,
# or of something that writes the same. It is the text of a derivation, and read
# from that: nothing is built.
#
# There are two shapes. Docker's names a Compose file, in whose services are the
# systems of the roles; the other, of machines, is for several compositions, and
# has in each what the roles begin with. Neither tells what is in a system.
{ lib, pkgs, packages, system, attribute, label, flavour }:
let
  listed = names: lib.concatStringsSep ", " names;
  plain = builtins.unsafeDiscardStringContext;

  # --- The output -----------------------------------------------------------------

  parts = name: builtins.match "(.+)::(.+)" name;
  made = builtins.filter (name: parts name != null) (builtins.attrNames packages);
  compositions = lib.unique (map (name: builtins.head (parts name)) made);
  chosen =
    if attribute != "" then attribute
    else if builtins.length compositions == 1 then builtins.head compositions
    else if made == [ ] then throw "there is no output packages.${system}.\"NAME::FLAVOUR\""
    else throw "the outputs are of several compositions (${listed compositions}); name one of them with `attribute'";

  # What the configuration calls the flavour, or what the flavour is.
  names = lib.unique [ "${chosen}::${label}" "${chosen}::${flavour.name}" ];
  name = lib.findFirst (n: packages ? ${n})
    (throw "there is no output packages.${system}.\"${lib.concatStringsSep "\" or \"" names}\"; there is ${listed made}")
    names;
  where = "packages.${system}.\"${name}\"";
  refuse = text: throw "${where} ${text}";

  output = packages.${name};
  text =
    if builtins.isAttrs output && builtins.isString (output.text or null) then output.text
    else refuse "is no compose-info: nxc reads one from the `text' of its derivation, and this has none";
  info =
    if builtins.substring 0 1 text != "{" then refuse "is no compose-info, which would be an object of JSON"
    else builtins.fromJSON (plain text);
  keys = set: listed (builtins.attrNames set);

  # --- What it is made of ---------------------------------------------------------

  # A derivation's file, which is there although nothing is built. Its context has
  # Nix look where the store is, which may be elsewhere than its paths say.
  read = drv: plain (builtins.readFile (builtins.appendContext drv { ${drv}.path = true; }));
  inputsOf = drv: map builtins.head (builtins.filter builtins.isList
    (builtins.split "\"(${builtins.storeDir}/[^\" ]*\\.drv)\"" (read drv)));
  # A variable of a derivation, where it has it: what stands between two quotes,
  # with escapes that are JSON's as well.
  variable = key: drv:
    let
      after = builtins.split "\\(\"${key}\",\"" (read drv);
      pieces = builtins.split "(\\\\.|\")" (builtins.elemAt after 2);
      value = builtins.foldl'
        (at: piece: if at.ended || piece == [ "\"" ] then at // { ended = true; } else builtins.seq at.taken { ended = false; taken = at.taken + 1; })
        { ended = false; taken = 0; }
        pieces;
      raw = lib.concatMapStrings (piece: if builtins.isList piece then builtins.head piece else piece) (lib.take value.taken pieces);
    in
    if builtins.length after < 3 then null else builtins.fromJSON "\"${raw}\"";

  # The derivations that the text names, and those that they are made of, by what
  # they will be. Paths in the text that are meant to be found on the node come
  # without the derivation that makes them, which is one of the latter.
  named = builtins.filter (lib.hasSuffix ".drv") (builtins.attrNames (builtins.getContext text));
  outputOf = drv:
    let found = builtins.match "Derive\\(\\[\\(\"out\",\"([^\"]*)\".*" (builtins.substring 0 300 (read drv));
    in if found == null then "" else builtins.head found;
  makers = builtins.listToAttrs (map (drv: { name = outputOf drv; value = drv; })
    (lib.unique (named ++ lib.concatMap inputsOf named)));
  makerOf = what: path: makers.${path} or (refuse "names ${path} as ${what}, which nothing makes that it refers to");

  # A system by its init.
  systemOf = role: init:
    let
      path = lib.removeSuffix "/init" init;
      drv = makerOf "the system of ${role}" path;
    in
    if !(lib.hasPrefix "${builtins.storeDir}/" init && lib.hasSuffix "/init" init)
    then refuse "starts the role ${role} by `${init}', which is no init of a system in the Nix store"
    else {
      type = "derivation";
      name = builtins.substring 33 (-1) (baseNameOf path);
      drvPath = drv;
      outPath = builtins.appendContext path { ${drv}.outputs = [ "out" ]; };
    };

  # The text of a file that the text names.
  textOf = what: path:
    let found = variable "text" (makerOf what path);
    in if found == null then refuse "names ${path} as ${what}, and the derivation of that has no `text'" else found;
  scriptOf = path:
    let script = if path == null then "" else textOf "the test script" path;
    in if script == "" then null else script;

  # --- The shapes -----------------------------------------------------------------

  shapes = {
    docker = rec {
      compose = builtins.fromJSON (textOf "the Compose file" info.docker-compose-file);
      services = compose.services or (refuse "has a Compose file without services");
      # What the provider does by itself, for every node.
      provided = [ "cap_add" "command" "environment" "hostname" "image" "stop_signal" "tmpfs" "tty" ];
      mounted = volume: builtins.any (target: lib.hasInfix target "${volume}:")
        [ ":/sys/fs/cgroup:" ":/nix/store:" ":/run/system:" ":/tmp/shared:" ":/var/nxc/shared:" ];
      volumes = service: map
        (v: if builtins.isString v then v else refuse "has a Compose file with a volume in its long form; write it as SOURCE:TARGET")
        (service.volumes or [ ]);

      roles = builtins.mapAttrs
        (role: service:
          let command = service.command or "";
          in
          {
            # Beside what every node mounts in any case.
            volumes = builtins.filter (v: !(mounted v)) (volumes service);
            config.system.build.toplevel = systemOf role (if builtins.isList command then lib.concatStringsSep " " command else command);
            config.nxc.sharedDirs = lib.optionalAttrs (builtins.any (lib.hasInfix ":/var/nxc/shared") (volumes service)) { "/var/nxc/shared" = { }; };
          })
        services;
      composition.dockerPorts = lib.filterAttrs (_: ports: ports != [ ]) (builtins.mapAttrs (_: service: service.ports or [ ]) services);
      distribution = info.roles_distribution or { };
      testScript = scriptOf (info.test_script or null);
      warnings = lib.concatLists (lib.mapAttrsToList
        (role: service: map
          (key: "the Compose file of ${where} says `${key}' of ${role}, which nxc does not take from it; the flavour block may have an argument for it")
          (builtins.attrNames (removeAttrs service (provided ++ [ "volumes" "ports" ]))))
        services);
    };

    all-in-one = rec {
      every = info.compositions_info;
      one = every.${chosen} or (if builtins.length (builtins.attrNames every) == 1 then builtins.head (builtins.attrValues every)
        else refuse "has no composition `${chosen}', but ${keys every}");
      given = one.roles or (refuse "has compositions_info without roles; its keys are ${keys one}");
      roles = builtins.mapAttrs
        (role: begins:
          let
            toplevel = systemOf role (begins.init or (refuse "does not say by which `init' the role ${role} starts; it says ${keys begins}"));
            parameters = variable "kernelParams" toplevel.drvPath;
          in
          {
            config = {
              system.build = { inherit toplevel; };
              # Every system of NixOS has its kernel and modules in these places.
              boot.kernelPackages.kernel = pkgs.runCommand "kernel-of-${role}" { } ''
                mkdir "$out"
                ln -s ${toplevel}/kernel "$out/bzImage"
                ln -s ${toplevel}/kernel-modules/lib "$out/lib"
              '' // { modDirVersion = role; };
              boot.initrd.kernelModules = [ ];
              boot.kernelModules = [ ];
              # nxc's first stage has mounted root and store: the system's own list
              # has what only NixOSCompose's start of QEMU provides.
              boot.kernelParams = [ "fstab=no" ] ++ builtins.filter (p: builtins.isString p && p != "")
                (builtins.split " +" (if parameters == null then "" else parameters));
            };
          })
        given;
      composition = { };
      distribution = one.roles_distribution or { };
      testScript = scriptOf (one.test_script or null);
      warnings = [ ];
    };
  };
  shape =
    if info ? docker-compose-file then "docker"
    else if info ? compositions_info then "all-in-one"
    else refuse "has a compose-info of a shape that nxc does not know: its keys are ${keys info}. It knows Docker's, with `docker-compose-file', and the one for machines, with `compositions_info'; both are described on the page of the composition block";
in
if flavour.shape == null then
  throw "a flake's own outputs cannot be deployed by ${flavour.name}: their systems would have to be made with nxc's own modules. The flavours docker, vm-ramdisk and vm can deploy them"
else if flavour.shape != shape then
  refuse "is of the shape ${shape}, and ${flavour.name} takes ${flavour.shape}"
else
  shapes.${shape} // { inherit name; }
