# Time zone and language.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  zone = config.time.timeZone;
in
{
  options = {
    time.timeZone = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "Europe/Paris";
      description = "The time zone; null is UTC.";
    };
    i18n = {
      defaultLocale = mkOption {
        type = types.str;
        default = "C.UTF-8";
        description = "The language of messages and formats. The stand-in has C.UTF-8; others count as that.";
      };
      extraLocaleSettings = mkOption {
        type = types.attrsOf types.str;
        default = { };
        description = "Variables beside LANG.";
      };
      supportedLocales = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Accepted for compatibility with NixOS.";
      };
    };
  };
  config = {
    environment.variables = { LANG = lib.mkDefault "C.UTF-8"; TZDIR = "/usr/share/zoneinfo"; };
    environment.etc = {
      "locale.conf".text = "LANG=C.UTF-8\n";
      "localtime".source = "${pkgs.standin.tree}/usr/share/zoneinfo/${if zone == null then "Etc/UTC" else zone}";
    };
  };
}
