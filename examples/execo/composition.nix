# What the experiment runs on: a server of iperf3, and clients that measure it.
# What is measured, and how often, says experiment.py.
{ ... }:
let
  node = { pkgs, ... }: {
    services.openssh.enable = true; # execo works by ssh
    environment.systemPackages = [ pkgs.iperf3 ];
    networking.firewall.enable = false;
  };
in
{
  roles = {
    server = { pkgs, ... }: {
      imports = [ node ];
      # A port for each client, because a server measures one at a time.
      systemd.services."iperf3@" = {
        description = "iperf3 at port %i";
        serviceConfig.ExecStart = "${pkgs.iperf3}/bin/iperf3 --server --port %i";
      };
      systemd.targets.multi-user.wants = map (n: "iperf3@${toString (5200 + n)}.service") [ 1 2 3 4 ];
    };
    client = node;
  };

  testScript = ''
    server.wait_for_open_port(5201)
    client1.wait_for_open_port(22)
    client1.succeed("iperf3 -c server -p 5201 -n 1M")
  '';
}
