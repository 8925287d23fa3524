# The journal.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.journald;
in
{
  options.services.journald = {
    console = mkOption {
      type = types.str;
      default = "";
      example = "/dev/console";
      description = "Device that messages are shown on as well; empty for none.";
    };
    extraConfig = mkOption { type = types.lines; default = ""; description = "Lines of journald.conf."; };
    storage = mkOption {
      type = types.enum [ "persistent" "volatile" "auto" "none" ];
      default = "volatile";
      description = "Where messages are kept.";
    };
    rateLimitBurst = mkOption {
      type = types.int;
      default = 10000;
      description = "Messages of a service within the interval before some are dropped.";
    };
    rateLimitInterval = mkOption {
      type = types.str;
      default = "30s";
      description = "The interval of rateLimitBurst.";
    };
  };
  # A journal that stays in memory has nothing to be flushed to.
  config.systemd.services.systemd-journal-flush.enable = lib.mkIf (cfg.storage == "volatile") false;
  config.environment.etc."systemd/journald.conf".text = ''
    [Journal]
    Storage=${cfg.storage}
    RateLimitInterval=${cfg.rateLimitInterval}
    RateLimitBurst=${toString cfg.rateLimitBurst}
    Audit=no
    ${lib.optionalString (cfg.console != "") "ForwardToConsole=yes\nTTYPath=${cfg.console}"}
    ${cfg.extraConfig}
  '';
}
