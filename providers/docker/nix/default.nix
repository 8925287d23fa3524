# The Nix half of the flavour "docker": every role is a system that boots in a
# container with the host's store mounted read-only, so there is nothing to
# build beside the systems themselves.
{
  modules = [ ./module.nix ];

  artifacts = _: { };

  # What the provider reads beyond the systems: the composition's own words about
  # containers, and what roles share.
  extra = { lib, composition, roles, ... }: {
    ports = composition.dockerPorts or { };
    volumes = composition.extraVolumes or [ ];
    sharedDirs = lib.filterAttrs (_: names: names != [ ])
      (builtins.mapAttrs (_: role: builtins.attrNames role.config.nxc.sharedDirs) roles);
  };
}
