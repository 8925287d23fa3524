# Derivations: stdenv.mkDerivation with the usual phases, and runCommand.
{ lib, system, host, pkgs }:
let
  setup = builtins.toFile "standin-setup.sh" (builtins.readFile ./setup.sh);

  # Programs of the distribution among the inputs, as name=path for setup.sh.
  hostPrograms = inputs:
    lib.concatMap (input: map (name: "${name}=${host.program name}") (input.hostPrograms or [ ])) inputs;

  # Attributes that say something to Nix code and nothing to the builder.
  hidden = [ "meta" "passthru" "pname" "strictDeps" "enableParallelBuilding" "depsBuildBuild" "allowedReferences'" "impureEnvVars'" ];

  mkDerivation = attrsOrFunction:
    let
      isFunction = lib.isFunction attrsOrFunction;
      attrs = if isFunction then attrsOrFunction package else attrsOrFunction;
      name = attrs.name or "${attrs.pname}${lib.optionalString (attrs ? version) "-${attrs.version}"}";
      inputs = builtins.filter (i: i != null) (lib.flatten [
        (attrs.nativeBuildInputs or [ ])
        (attrs.buildInputs or [ ])
        (attrs.propagatedBuildInputs or [ ])
      ]);
      fromHost = hostPrograms inputs;
      plain = builtins.filter (i: !(i ? hostPrograms)) inputs;
      passed = builtins.removeAttrs attrs (hidden ++ [ "buildInputs" "nativeBuildInputs" "propagatedBuildInputs" "name" "env" ]);
      drv = derivation (passed // (attrs.env or { }) // {
        name = lib.strings.sanitizeDerivationName name;
        inherit system;
        inherit (host) busybox;
        shell = "${host.tree}/usr/bin/bash";
        builder = "${host.busybox}/bin/sh";
        args = attrs.args or [ "-e" setup ];
        nativeBuildInputs = plain;
        stdenv = setup;
      } // lib.optionalAttrs (fromHost != [ ]) {
        wrappedPrograms = fromHost;
        hostLoader = "${host.tree}/${host.loader}";
        hostLibraries = "${host.tree}/${host.libraries}";
      });
      package = drv // {
        inherit name;
        pname = attrs.pname or (lib.getName name);
        version = attrs.version or (lib.getVersion name);
        meta = { inherit name; outputsToInstall = [ "out" ]; } // attrs.meta or { };
        passthru = attrs.passthru or { };
        overrideAttrs = f: mkDerivation (
          if isFunction then
            (final: let old = attrsOrFunction final; in old // change f final old)
          else attrs // change f package attrs
        );
        outputs = attrs.outputs or [ "out" ];
        inherit inputs;
        inputDerivation = drv;
      } // attrs.passthru or { };
    in
    package;

  # overrideAttrs takes a set, old: { … }, or final: old: { … }.
  change = f: final: old:
    if !lib.isFunction f then f
    else let once = f old; in if lib.isFunction once then f final old else once;

  platform = {
    inherit system;
    isLinux = true;
    isDarwin = false;
    isx86_64 = system == "x86_64-linux";
    isAarch64 = system == "aarch64-linux";
    is64bit = true;
    isMusl = false;
    parsed.cpu.name = builtins.head (lib.splitString "-" system);
    config = builtins.replaceStrings [ "-linux" ] [ "-unknown-linux-gnu" ] system;
    uname = { system = "Linux"; processor = builtins.head (lib.splitString "-" system); };
  };

  stdenv = {
    inherit mkDerivation setup;
    inherit (platform) isLinux isDarwin isx86_64 isAarch64;
    name = "stdenv-standin";
    shell = "${host.busybox}/bin/sh";
    hostPlatform = platform;
    buildPlatform = platform;
    targetPlatform = platform;
    shellPackage = pkgs.bash;
  };

  runCommandWith = { name, derivationArgs ? { }, local ? false, stdenv ? null }: command:
    mkDerivation ({
      inherit name;
      buildCommand = command;
      passAsFile = [ "buildCommand" ] ++ derivationArgs.passAsFile or [ ];
    } // lib.optionalAttrs local {
      preferLocalBuild = true;
      allowSubstitutes = false;
    } // builtins.removeAttrs derivationArgs [ "passAsFile" ]);
in
{
  inherit stdenv mkDerivation runCommandWith;
  stdenvNoCC = stdenv;
  runCommand = name: derivationArgs: runCommandWith { inherit name derivationArgs; };
  runCommandLocal = name: derivationArgs: runCommandWith { inherit name derivationArgs; local = true; };
  runCommandNoCC = name: derivationArgs: runCommandWith { inherit name derivationArgs; };
  runCommandCC = name: derivationArgs: runCommandWith { inherit name derivationArgs; };
  # What nixpkgs gives as hooks is already in every builder here.
  makeWrapper = null;
  makeBinaryWrapper = null;
  installShellFiles = null;
  substituteAll = args: runCommandWith { name = args.name or (baseNameOf (toString args.src)); derivationArgs = builtins.removeAttrs args [ "name" ]; } ''
    cp "$src" "$out.new"
    chmod +w "$out.new"
    ${lib.concatMapStrings (n: "substitute \"$out.new\" \"$out.new\" --subst-var ${n}\n") (builtins.filter (n: !(builtins.elem n [ "src" "name" "isExecutable" "dir" ])) (builtins.attrNames args))}
    mv "$out.new" "$out"
    ${lib.optionalString (args.isExecutable or false) "chmod +x \"$out\""}
  '';
}
