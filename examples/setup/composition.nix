# setup.params is what setup.toml and the configuration say; setup.project.selected
# is the variant.
{ setup, ... }:
{
  roles.worker = { pkgs, ... }: {
    environment.systemPackages = [ pkgs.greeter ];
    environment.variables.GREETING = setup.params.greeting;
    environment.variables.VARIANT = setup.project.selected;
  };

  rolesDistribution.worker = setup.params.workers;

  # The script is made from the same parameters.
  testScript = ''
    variant = machines[0].succeed("bash -lc 'echo $VARIANT'").strip()
    t.assertEqual(variant, "${setup.project.selected}")
    t.assertEqual(len(machines), ${toString setup.params.workers})

    for worker in machines:
        greeting = worker.succeed("bash -lc 'greet $GREETING'").strip()
        source = "folder" if variant == "dev" else "release"
        t.assertEqual(greeting, f"${setup.params.greeting}, from the {source}")
  '';
}
