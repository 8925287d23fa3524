# Greets the node when it has started.
{ config, lib, pkgs, ... }: {
  options.greeting.enable = lib.mkEnableOption "a greeting of the node";

  config = lib.mkIf config.greeting.enable {
    systemd.services.greeting = {
      description = "Greet the node";
      wantedBy = [ "multi-user.target" ];
      serviceConfig.Type = "oneshot";
      script = ''
        ${pkgs.nur.repos.mine.greet}/bin/greet "$(cat /etc/nxc/node)" > /run/greeting
      '';
    };
  };
}
