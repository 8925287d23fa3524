# Members that elect a leader among them: databases that follow it, and
# sentinels that watch it and make another the leader when it dies.
{ ... }:
{
  roles.member = { pkgs, lib, ... }: {
    services.redis.servers."" = {
      enable = true;
      bind = null; # every address: only the deployment's own network reaches it
      settings.protected-mode = lib.mkForce "no";
    };
    environment.systemPackages = [ pkgs.redis ];

    systemd.services.elect = {
      description = "Watch the leader, and elect another";
      wantedBy = [ "multi-user.target" ];
      after = [ "redis.service" "network-online.target" ];
      wants = [ "network-online.target" ];
      path = [ pkgs.redis pkgs.hostname ];
      serviceConfig = {
        Restart = "always";
        RestartSec = 1;
      };
      script = ''
        if [ ! -e /var/lib/elect/sentinel.conf ]; then
          # The first member leads at first; one that comes back is told by the
          # others who does. Addresses, because the dead have no name.
          if [ "$(hostname)" = member1 ]; then
            leader=$(hostname -I | cut -d ' ' -f 1)
          else
            until leader=$(redis-cli -h member1 client info); do sleep 1; done
            leader=''${leader#*laddr=}
            leader=''${leader%%:*}
            redis-cli replicaof "$leader" 6379
          fi
          mkdir -p /var/lib/elect
          cat > /var/lib/elect/sentinel.conf <<EOF
        port 26379
        protected-mode no
        sentinel monitor cluster $leader 6379 2
        sentinel down-after-milliseconds cluster 2000
        sentinel failover-timeout cluster 10000
        EOF
        fi
        exec redis-server /var/lib/elect/sentinel.conf --sentinel
      '';
    };
  };

  testScript = ''
    def leader(member):
        address = member.succeed("redis-cli -p 26379 sentinel get-master-addr-by-name cluster").split()[0]
        return names[address]

    start_all()
    names = {machine.succeed("hostname -I").split()[0]: machine.name for machine in machines}
    members = {machine.name: machine for machine in machines}
    for member in machines:
        member.wait_for_unit("elect.service")

    with subtest("all agree on a leader"):
        for member in machines:
            member.wait_until_succeeds("redis-cli -p 26379 sentinel ckquorum cluster | grep '^OK 3'", timeout=60)
        retry(lambda last: len(set(driver.parallel(leader))) == 1, timeout_seconds=90)
        first = members[leader(member1)]
        others = [member for member in machines if member.name != first.name]
        first.wait_until_succeeds("redis-cli set greeting hello | grep -x OK", timeout=60)
        for member in others:
            member.wait_until_succeeds("redis-cli get greeting | grep -x hello", timeout=60)

    with subtest("another is elected when it dies"):
        first.crash()
        retry(lambda last: leader(others[0]) == leader(others[1]) != first.name, timeout_seconds=90)
        elected = members[leader(others[0])]
        elected.wait_until_succeeds("redis-cli set greeting again | grep -x OK", timeout=60)

    with subtest("the old one follows"):
        first.start()
        first.wait_until_succeeds("redis-cli role | head -n 1 | grep -x slave", timeout=90)
        first.wait_until_succeeds("redis-cli get greeting | grep -x again", timeout=60)
  '';
}
