# Machines that boot a role's system, for every flavour that has some: a module
# for the roles, and what builds kernels, initrds and images of the store. Tests drive them by `shell'.
{
  module = ./module.nix;
  image = import ./image.nix;
  shell = ./shell.nix;
  test = import ./test.nix;
}
