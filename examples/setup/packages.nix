# Packages of the project, for all roles: an overlay of nixpkgs.
final: _previous: {
  greeter = final.stdenv.mkDerivation {
    name = "greeter";
    # The "release"; most packages have a fetcher here.
    src = final.writeTextDir "greet" ''
      echo "$*, from the release"
    '';
    installPhase = ''
      mkdir -p "$out/bin"
      { echo "#!${final.runtimeShell}"; cat greet; } > "$out/bin/greet"
      chmod +x "$out/bin/greet"
    '';
  };
}
