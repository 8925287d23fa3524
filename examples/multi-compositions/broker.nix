# Lines that one node sends and another receives.
{ pkgs, ... }: {
  roles.broker = { pkgs, ... }: {
    imports = [ ./common.nix ];
    networking.firewall.enable = false;
    systemd.services.broker = {
      description = "Append every line that arrives";
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "${pkgs.socat}/bin/socat -u TCP-LISTEN:7000,fork,reuseaddr OPEN:/var/lib/lines,creat,append";
    };
  };
  roles.sender = { pkgs, ... }: {
    imports = [ ./common.nix ];
    environment.systemPackages = [ pkgs.socat ];
  };

  testScript = ''
    broker.wait_for_open_port(7000)
    sender.succeed("echo hello | socat -u - TCP:broker:7000")
    broker.wait_until_succeeds("grep -x hello /var/lib/lines", timeout=10)
    broker.succeed("grep multi-compositions /etc/experiment")
  '';
}
