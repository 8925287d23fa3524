# What the provider reads beyond the systems: which kernel and which parameters
# each role boots with.
{ roles, ... }:
{
  roles = builtins.mapAttrs
    (_: role: {
      kernelParams = map builtins.unsafeDiscardStringContext role.config.boot.kernelParams;
    })
    roles;
}
