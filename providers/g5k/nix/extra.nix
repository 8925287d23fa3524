# What the provider reads beyond the systems: what each role boots with.
{ roles, ... }:
{
  roles = builtins.mapAttrs
    (_: role: { kernelParams = map builtins.unsafeDiscardStringContext role.config.boot.kernelParams; })
    roles;
}
