{ pkgs, ... }: {
  roles.foo = { pkgs, ... }: {
    environment.systemPackages = [ pkgs.curl ];
  };

  testScript = ''
    foo.succeed("true")
  '';
}
