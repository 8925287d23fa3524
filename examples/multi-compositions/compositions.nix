# Compositions by name, in files of their own. What they share is a module that
# each imports.
{
  web = ./web.nix;
  broker = ./broker.nix;
}
