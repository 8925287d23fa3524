# What is tried on a real NixOS: all that nxc has a system do by itself.
{ pkgs, setup, ... }:
let
  common = { pkgs, ... }: {
    imports = [ ./module.nix ];
    services.openssh.enable = true;
    nxc = {
      users.names = [ "user1" "user2" ];
      users.prefixHome = "/users";
      wait-online.enable = true;
      postBootCommands = "touch /etc/ready";
      root-sshKeys.betweenNodes = true;
    };
    environment.etc.hello.text = setup.params.page or "hello";
    environment.etc."post-boot-script-x" = { mode = "0755"; text = "#!/bin/bash\ntouch /etc/scripted\n"; };
  };
in
{
  roles = {
    server = { pkgs, ... }: {
      imports = [ common ];
      nxc.sharedDirs."/users".export = true;
      services.nginx = {
        enable = true;
        virtualHosts.default = {
          default = true;
          root = pkgs.writeTextDir "index.html" (setup.params.page or "hello world");
        };
      };
    };
    client = { pkgs, ... }: {
      imports = [ common ];
      nxc.sharedDirs."/users".server = "server";
      environment.systemPackages = [ pkgs.jq ];
    };
  };
  testScript = ''
    server.wait_for_unit("nginx.service")
    client.wait_for_unit("multi-user.target")
    server.succeed("test -e /etc/ready && test -e /etc/scripted")
    with subtest("users share their homes"):
        server.succeed("su user1 -c 'echo hi > /users/user1/x'")
        client.succeed("su user1 -c 'grep hi /users/user1/x'")
    with subtest("a client sees the page"):
        assert "hello" in client.succeed("curl -sSf http://server/")
    with subtest("root logs in between nodes"):
        client.wait_until_succeeds("ssh -o BatchMode=yes server /run/current-system/sw/bin/hostname | grep server")
        client.succeed("ssh -o BatchMode=yes client /run/current-system/sw/bin/hostname")
  '';
}
