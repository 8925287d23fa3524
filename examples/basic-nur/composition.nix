# pkgs.nur.repos holds the packages of a NUR; its NixOS modules are in the
# argument nur, because a module must be known before there are packages.
{ nur, ... }: {
  roles.foo = { pkgs, ... }: {
    imports = [ nur.repos.mine.modules.greeting ];
    greeting.enable = true;
    environment.systemPackages = [ pkgs.nur.repos.mine.greet ];
  };

  testScript = ''
    t.assertEqual(foo.succeed("greet you"), "hello, you\n")
    foo.wait_for_file("/run/greeting")
    t.assertEqual(foo.succeed("cat /run/greeting"), "hello, foo\n")
  '';
}
