{
  description = "A composition with packages and modules of a NUR";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";
    nxc.url = "git+https://gitlab.inria.fr/nixos-compose/nixos-compose.git";
    # The public collection of repositories:
    # NUR.url = "github:nix-community/NUR";
  };

  outputs = { self, nixpkgs, nxc }:
    let system = "x86_64-linux";
    in
    {
      packages.${system} = nxc.lib.compose {
        inherit nixpkgs system;
        composition = ./composition.nix;

        # The folder ./nur is a collection with one repository, this project's own.
        # With the public one, ask for the input NUR above, and say
        #
        #   inherit NUR;
        #   repoOverrides.mine = ./nur/mine;   # beside, or instead of, what it has
        NUR = ./nur;
      };
    };
}
