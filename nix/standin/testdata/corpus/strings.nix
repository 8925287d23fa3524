# Strings.
{ lib, ... }:
with lib;
{
  concat = [ (concatStringsSep "," [ "a" "b" ]) (concatMapStrings (x: x + x) [ "a" "b" ]) (concatMapStringsSep "-" toUpper [ "a" "b" ]) (concatImapStringsSep "-" (i: x: "${toString i}${x}") [ "a" "b" ]) ];
  intersperse = intersperse "/" [ "usr" "local" "bin" ];
  prefix = [ (hasPrefix "foo" "foobar") (hasPrefix "bar" "foobar") (hasSuffix "bar" "foobar") (hasSuffix "foo" "foobar") (hasInfix "oba" "foobar") (hasInfix "x" "foobar") ];
  remove = [ (removePrefix "foo." "foo.bar.baz") (removePrefix "xxx" "foo") (removeSuffix "front" "homefront") (removeSuffix "xxx" "homefront") ];
  split = [ (splitString "." "foo.bar.baz") (splitString "/" "/usr/local/bin") (splitString "\n" "") ];
  case = [ (toLower "HOME Ä1") (toUpper "home1") ];
  characters = [ (stringToCharacters "abc") (stringAsChars (c: if c == "a" then "i" else c) "nax") ];
  escape = [ (escape [ "(" ")" ] "(foo)") (escapeShellArg "esc'ape\nme") (escapeShellArgs [ "o ne" "two three" "four'five" ]) ];
  versions = [ (versionOlder "1.1" "1.2") (versionOlder "1.1" "1.1") (versionAtLeast "1.1" "1.0") (getVersion "youtube-dl-2016.01.01") (versions.major "1.2.3") (versions.minor "1.2.3") (versions.majorMinor "1.2.3") ];
  fixed = [ (fixedWidthString 5 "0" "15") (fixedWidthNumber 5 15) ];
  paths = [ (makeSearchPath "bin" [ "/root" "/usr" ]) (makeBinPath [ "/root" "/usr" ]) ];
  numbers = [ (toInt "1337") (toInt "-4") (toString 3) (boolToString true) ];
  optionalString = [ (optionalString true "a") (optionalString false "a") ];
  ini = generators.toINI { } { foo = { hi = "x"; ciao = "bar"; }; "also, integers".num = 4; flag.yes = true; };
  keyValue = generators.toKeyValue { } { a = 1; b = true; c = "x"; };
  json = generators.toJSON { } { a = [ 1 null ]; };
  nameFromURL = nameFromURL "https://nixos.org/releases/nix/nix-1.7/nix-1.7-x86_64-linux.tar.bz2" "-";
  addContext = addContextFrom "a" "b";
}
