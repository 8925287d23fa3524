# A page that tells the time of day.
{ pkgs, ... }: {
  roles.server = { pkgs, ... }: {
    imports = [ ./common.nix ];
    services.nginx = {
      enable = true;
      virtualHosts.default = {
        default = true;
        locations."/".return = "200 '$time_iso8601\n'";
      };
    };
    networking.firewall.enable = false;
  };

  testScript = ''
    server.wait_for_open_port(80)
    server.succeed("curl -sf http://localhost/ | grep ^20")
    server.succeed("grep multi-compositions /etc/experiment")
  '';
}
