# The project's scripts, each as a package with one program. An interpreter is
# named once, here; a script that lies in a file of its own can be edited, checked
# and run without Nix.
{ pkgs }:
{
  # Python, with libraries; nixpkgs checks it with flake8 when it is built.
  summarise = pkgs.writers.writePython3Bin "summarise"
    { libraries = [ pkgs.python3Packages.pyyaml ]; }
    (builtins.readFile ./summarise.py);

  # Shell, in place.
  measure = pkgs.writers.writeBashBin "measure" ''
    set -eu
    echo "node: $(cat /etc/nxc/node)"
    echo "seconds:"
    for _ in $(seq "$1"); do
      start=$(date +%s%N)
      sync
      echo "  - $(( $(date +%s%N) - start ))e-9"
    done
  '';
}
