{ system }:
rec {
  # A derivation that a shell script makes. The script ends in a builtin, so
  # that the shell does not exec its last command.
  make =
    name: attributes: script:
    derivation (
      {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-c"
          "${script}\nexit 0"
        ];
      }
      // attributes
    );
  pkgs = {
    inherit make;
    text = name: text: make name { inherit text; } ''printf '%s' "$text" > $out'';
    nginx = make "nginx-1.26.1" { } "echo nginx > $out";
    strict = { a, b }: a;
    checkPort =
      config:
      if builtins.isInt config.port then
        config
      else
        throw ''
          A definition for option `services.web.port' is not of type `integer'. Definition values:
          - In `${config.file}': "${config.port}"'';
  };
}
