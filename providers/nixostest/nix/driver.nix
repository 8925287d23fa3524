# The Nix half of the flavours "nixos-test-driver" and "nixos-test-ssh": NixOS's
# own driver, which a holder keeps.
{ machine }:
let common = import ./common.nix { inherit machine; };
in
{
  inherit (common) modules extra;
  artifacts = context:
    let test = common.testOf context;
    in { driver.drv = test.driverInteractive or test.driver; };
}
