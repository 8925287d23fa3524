# One server of iperf3, and clients with a program that measures.
{ setup, ... }:
{
  roles = {
    server = { pkgs, ... }: {
      systemd.services.iperf3 = {
        wantedBy = [ "multi-user.target" ];
        # One measurement at a time has a server: each client has a port.
        script = ''
          for client in $(seq 1 64); do
            ${pkgs.iperf3}/bin/iperf3 --server --port $((5200 + client)) &
          done
          wait
        '';
      };
      networking.firewall.enable = false;
    };

    client = { pkgs, ... }: {
      environment.systemPackages = [
        pkgs.jq
        (pkgs.writeShellScriptBin "measure" ''
          set -eu
          # client1 is the first of several; a single client has no number.
          number=$(hostname | tr -dc 0-9)
          mkdir -p /srv/results
          ${pkgs.iperf3}/bin/iperf3 --client server --port $((5200 + ''${number:-1})) \
            --time ${toString setup.params.seconds} --json > /srv/results/throughput.json
          jq -r '.end.sum_received.bits_per_second / 1e6 | round | "\(.) Mbit/s"' /srv/results/throughput.json
        '')
      ];
    };
  };

  testScript = ''
    server.wait_for_open_port(5201)
    client1.succeed("measure")
    client1.wait_for_file("/srv/results/throughput.json")
  '';
}
