# pkgs.formats: configuration files from options' values.
{ lib, pkgs }:
{
  formats =
    let
      inherit (lib) types;
      value = types.anything;
      plain = render: {
        type = types.attrsOf value;
        generate = name: set: pkgs.writeText name (render set);
      };
    in
    {
      json = _: plain builtins.toJSON;
      yaml = _: plain builtins.toJSON;
      keyValue = args: plain (lib.generators.toKeyValue args);
      ini = args: plain (lib.generators.toINI args);
      toml = _: throw "pkgs.formats.toml: not in the embedded stand-in; write the text yourself, or use a real nixpkgs";
    };
}
