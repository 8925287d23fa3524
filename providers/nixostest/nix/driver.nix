# The Nix half of the flavour "nixos-test-driver": NixOS's own driver, which a
# holder keeps.
{ machine, arguments }:
let common = import ./common.nix { inherit machine arguments; };
in
{
  inherit (common) modules extra;
  artifacts = context:
    let test = common.sessionOf context;
    in { driver.drv = test.driverInteractive or test.driver; };
}
