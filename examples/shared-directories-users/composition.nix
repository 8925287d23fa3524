# Two folders that several nodes share: one node exports each, the others say
# from whom they have it. The users exist on every node whose role names them.
{ setup, ... }:
let
  users = {
    nxc.users = { names = setup.params.users; prefixHome = "/users"; };
  };
in
{
  roles = {
    # Gives the homes, and must therefore know whose they are.
    homes = {
      imports = [ users ];
      nxc.sharedDirs."/users".export = true;
    };

    # Gives a folder for data, and needs no users.
    storage = {
      nxc.sharedDirs."/data".export = true;
    };

    client = {
      imports = [ users ];
      nxc.sharedDirs."/users".server = "homes";
      nxc.sharedDirs."/data".server = "storage";
    };
  };

  testScript = ''
    with subtest("a home is the same on every node"):
        client1.succeed("su - ada -c 'echo hello > notes'")
        t.assertEqual(client2.succeed("su - ada -c 'cat notes'"), "hello\n")
        t.assertEqual(homes.succeed("stat -c %U /users/ada/notes"), "ada\n")

    with subtest("and belongs to its user alone"):
        client2.fail("su - emmy -c 'rm -f /users/ada/notes'")

    with subtest("data reaches all that share the folder"):
        storage.succeed("echo 42 > /data/answer")
        for client in (client1, client2):
            t.assertEqual(client.succeed("cat /data/answer"), "42\n")
        homes.fail("test -e /data/answer")
  '';
}
