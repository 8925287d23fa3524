# The Nix half of the flavour "docker": every role is a system that boots in a
# container with the host's store mounted read-only. Beside the systems there is
# only the recipe of an empty image, for those who bring the systems up with
# Compose: it lies in the store, because a Compose file finds it there from
# whichever folder it stands in.
{
  modules = [ ./module.nix ];
  shape = "docker";

  artifacts = { pkgs, ... }: {
    image = pkgs.writeTextDir "Dockerfile" ''
      FROM scratch
      LABEL org.nxc.image="empty"
    '';
  };

  # What the provider reads beyond the systems: the composition's own words about
  # containers, and what roles share.
  extra = { lib, composition, roles, ... }: {
    ports = composition.dockerPorts or { };
    volumes = builtins.mapAttrs (_: role: composition.extraVolumes or [ ] ++ role.volumes or [ ]) roles;
    sharedDirs = lib.filterAttrs (_: names: names != [ ])
      (builtins.mapAttrs (_: role: builtins.attrNames role.config.nxc.sharedDirs) roles);
  };
}
