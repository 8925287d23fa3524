# A key-value database, and clients that count visits in it.
{ pkgs, lib, setup, ... }:
{
  roles = {
    server = { pkgs, lib, ... }: {
      services.redis.servers."" = {
        enable = true;
        bind = null; # every address: only the deployment's own network reaches it
        settings.protected-mode = lib.mkForce "no";
      };
      networking.firewall.allowedTCPPorts = [ 6379 ];
    };

    client = { pkgs, ... }: {
      environment.systemPackages = [ pkgs.redis ];

      # Counts a visit every second, under the client's own name.
      systemd.services.visit = {
        description = "Visit the database";
        wantedBy = [ "multi-user.target" ];
        after = [ "network-online.target" ];
        wants = [ "network-online.target" ];
        path = [ pkgs.redis pkgs.hostname ];
        serviceConfig = {
          Restart = "always";
          RestartSec = 1;
        };
        script = ''
          while redis-cli -h server hincrby visits "$(hostname)" 1; do
            sleep ${toString (setup.params.interval or 1)}
          done
          exit 1
        '';
      };
    };
  };

  testScript = ''
    server.wait_for_unit("redis.service")
    client1.wait_for_unit("visit.service")
    client1.wait_until_succeeds("redis-cli -h server hget visits client1 | grep -q .")
    server.succeed("redis-cli hlen visits")
  '';
}
