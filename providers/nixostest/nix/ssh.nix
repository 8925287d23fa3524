# The Nix half of the flavour "nixos-test-ssh": that of "nixos-test-driver", with
# ssh on every machine.
{ machine, arguments }:
let driver = import ./driver.nix { inherit machine arguments; };
in
driver // {
  modules = driver.modules ++ [ { services.openssh.enable = true; } ];
}
