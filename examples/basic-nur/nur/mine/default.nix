# One repository: packages by name, and NixOS modules in `modules`.
{ pkgs }: {
  greet = pkgs.writeShellScriptBin "greet" ''echo "hello, $1"'';

  modules.greeting = ./greeting.nix;
}
