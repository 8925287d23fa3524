# A key-value database with a replica, and clients that count visits in it.
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

    # Follows the server, and can be read from.
    replica = { pkgs, lib, ... }: {
      services.redis.servers."" = {
        enable = true;
        bind = null;
        settings = {
          protected-mode = lib.mkForce "no";
          replicaof = "server 6379";
        };
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
    start_all()
    server.wait_for_unit("redis.service")
    replica.wait_for_unit("redis.service")
    client1.wait_for_unit("visit.service")

    with subtest("visits are counted"):
        client1.wait_until_succeeds("redis-cli -h server hget visits $(hostname) | grep .")

    with subtest("the replica follows"):
        replica.wait_until_succeeds("redis-cli info replication | grep master_link_status:up")
        server.succeed("redis-cli set answer 41")
        replica.wait_until_succeeds("redis-cli get answer | grep -x 41")
        assert "READONLY" in replica.succeed("redis-cli set answer 0 2>&1 || true")

    with subtest("it catches up after a crash"):
        replica.crash()
        server.succeed("redis-cli set answer 42")
        replica.start()
        replica.wait_until_succeeds("redis-cli get answer | grep -x 42")

    with subtest("it answers while the server is cut off"):
        server.block()
        client1.fail("timeout 2 redis-cli -h server ping")
        assert client1.succeed("redis-cli -h replica get answer") == "42\n"
        server.unblock()
        client1.wait_until_succeeds("timeout 2 redis-cli -h server ping")
  '';
}
