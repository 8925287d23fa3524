# A collection of repositories, of the shape that the public NUR has.
{ pkgs, repoOverrides ? { }, ... }: {
  repos = { mine = import ./mine { inherit pkgs; }; } // repoOverrides;
}
