# Files and scripts from texts.
{ lib, host, pkgs }:
rec {
  runtimeShell = host.bash;

  writeTextFile =
    { name
    , text
    , executable ? false
    , destination ? ""
    , checkPhase ? ""
    , meta ? { }
    , passthru ? { }
    , allowSubstitutes ? false
    , preferLocalBuild ? true
    , derivationArgs ? { }
    }:
    pkgs.stdenv.mkDerivation ({
      inherit name text meta passthru allowSubstitutes preferLocalBuild;
      target = destination;
      passAsFile = [ "text" "buildCommand" ];
      buildCommand = ''
        file=$out$target
        mkdir -p "$(dirname "$file")"
        cp "$textPath" "$file"
        ${lib.optionalString executable ''chmod +x "$file"''}
        ${checkPhase}
      '';
    } // derivationArgs);

  writeText = name: text: writeTextFile { inherit name text; };
  writeTextDir = path: text: writeTextFile { name = builtins.baseNameOf path; inherit text; destination = "/${path}"; };
  writeScript = name: text: writeTextFile { inherit name text; executable = true; };
  writeScriptBin = name: text: writeTextFile {
    inherit name text;
    executable = true;
    destination = "/bin/${name}";
    meta.mainProgram = name;
  };
  writeShellScript = name: text: writeScript name "#!${runtimeShell}\n${text}";
  writeShellScriptBin = name: text: writeScriptBin name "#!${runtimeShell}\n${text}";
  writeShellApplication =
    { name
    , text
    , runtimeInputs ? [ ]
    , runtimeEnv ? null
    , meta ? { }
    , passthru ? { }
    , checkPhase ? null
    , excludeShellChecks ? [ ]
    , extraShellCheckFlags ? [ ]
    , bashOptions ? [ "errexit" "nounset" "pipefail" ]
    , inheritPath ? true
    , derivationArgs ? { }
    }:
    writeTextFile {
      inherit name passthru derivationArgs;
      executable = true;
      destination = "/bin/${name}";
      meta = { mainProgram = name; } // meta;
      text = ''
        #!${runtimeShell}
        ${lib.concatMapStrings (option: "set -o ${option}\n") bashOptions}
        ${lib.concatStrings (lib.mapAttrsToList (n: v: "export ${lib.toShellVar n v}\n") (if runtimeEnv == null then { } else runtimeEnv))}
        ${lib.optionalString (runtimeInputs != [ ]) ''export PATH="${lib.makeBinPath runtimeInputs}${lib.optionalString inheritPath ":$PATH"}"''}
        ${text}
      '';
    };
  concatTextFile = { name, files, executable ? false, destination ? "", checkPhase ? "", meta ? { } }:
    pkgs.runCommand name { inherit files; } ''
      file=$out${destination}
      mkdir -p "$(dirname "$file")"
      cat $files > "$file"
      ${lib.optionalString executable ''chmod +x "$file"''}
      ${checkPhase}
    '';
  concatText = name: files: concatTextFile { inherit name files; };
  concatScript = name: files: concatTextFile { inherit name files; executable = true; };
  writeStringReferencesToFile = text: writeText "references" text;

  # pkgs.writers.writePython3Bin and its relatives.
  writers =
    let
      inherit (lib) last splitString hasPrefix;
      script = interpreter: nameOrPath: content:
        let
          isPath = hasPrefix "/" nameOrPath;
          text = if builtins.isPath content || lib.isStorePath content then builtins.readFile content else content;
        in
        writeTextFile {
          name = last (splitString "/" nameOrPath);
          executable = true;
          destination = if isPath then nameOrPath else "";
          text = "#!${interpreter}\n${text}";
        };
      bin = write: name: write "/bin/${name}";
      python = name: { libraries ? [ ], flakeIgnore ? [ ], doCheck ? true, ... }:
        script (builtins.seq (builtins.deepSeq (map (l: l.name) libraries) null) "${host.tree}/usr/bin/python3") name;
    in
    rec {
      writeBash = script host.bash;
      writeBashBin = bin writeBash;
      writeDash = script "${host.busybox}/bin/sh";
      writeDashBin = bin writeDash;
      writePython3 = python;
      writePython3Bin = bin python;
      writeText = name: pkgs.writeText name;
      writeJSON = name: value: pkgs.writeText name (builtins.toJSON value);
      writeYAML = writeJSON;
    };
}
