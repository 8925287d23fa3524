# One machine builds for all. A node has no building of its own: what it wants and
# the builder's cache does not have, it sends to the builder by ssh, and what was
# built for one node, the others take from the cache by http.
#
# With a real nixpkgs, it is Nix that does so (nix.nix), on machines: the store of a
# container cannot be written to. The embedded one has no Nix on its nodes: there
# two short scripts do the same (embedded.nix).
{ pkgs, ... }:
let parts = import (if pkgs ? standin then ./embedded.nix else ./nix.nix);
in
{
  roles = {
    builder = { ... }: {
      imports = [ parts.builder ];
      nxc.root-sshKeys.betweenNodes = true; # nodes log in
      networking.firewall.enable = false;
    };
    node = { ... }: {
      imports = [ parts.node ];
      nxc.root-sshKeys.betweenNodes = true;
      # What the command `build' makes; each build of it gives another result.
      environment.etc."recipe".text = ''
        read id < /proc/sys/kernel/random/uuid
        echo "build $id" > $out
      '';
    };
  };

  testScript = ''
    start_all()
    for node in (node1, node2):
        node.wait_until_succeeds("ssh -o BatchMode=yes builder true", timeout=60)

    with subtest("a node builds on the builder"):
        first = node1.wait_until_succeeds("build", timeout=60)
        t.assertRegex(first, "^build [0-9a-f-]{36}$")

    with subtest("the other takes what was built"):
        t.assertEqual(node2.succeed("build"), first)
  '';
}
