# The Nix half of the flavour "nixos-test": the test is run by building it, which
# its resource does. What it is made of is built before.
{ machine, arguments }:
let common = import ./common.nix { inherit machine arguments; };
in
{
  inherit (common) modules extra;
  artifacts = context:
    let test = common.testOf context;
    in {
      driver.drv = test.driver;
      test = { drv = test; later = true; };
    };
}
