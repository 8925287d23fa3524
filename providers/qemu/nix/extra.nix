# What the provider reads beyond the systems: what each role boots with, of which
# a running system can take on nothing.
{ roles, ... }:
{
  roles = builtins.mapAttrs
    (_: role: {
      kernelParams = map builtins.unsafeDiscardStringContext role.config.boot.kernelParams;
      modules = map builtins.unsafeDiscardStringContext (role.config.boot.initrd.kernelModules ++ role.config.boot.kernelModules);
    })
    roles;
}
