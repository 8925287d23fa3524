# A web server and its clients, for every flavour.
{ pkgs, setup, ... }:
{
  roles = {
    server = { pkgs, ... }: {
      services.nginx = {
        enable = true;
        virtualHosts.default = {
          default = true;
          root = pkgs.writeTextDir "index.html" ''
            ${setup.params.page or "hello world"}
          '';
        };
      };
      networking.firewall.enable = false;
    };

    client = { pkgs, ... }: {
      environment.systemPackages = [ pkgs.jq ];
    };
  };

  testScript = ''
    server.wait_for_unit("nginx.service")
    client1.wait_for_unit("multi-user.target")

    with subtest("a client sees the page"):
        assert "hello" in client1.succeed("curl -sSf http://server/")
  '';
}
