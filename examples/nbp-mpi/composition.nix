# Nodes that compute together. The benchmark is that of the NAS Parallel
# Benchmarks which hardly communicates, EP ("embarrassingly parallel"): it draws
# pairs of random numbers, turns some into normal deviates, and counts.
#
# With a real nixpkgs it is the program ep.c, compiled with MPICH, which starts it
# on all nodes by ssh. The embedded nixpkgs has neither a compiler nor MPI:
# there ep.py computes the same parts, and a shell script starts them the same way.
{ pkgs, setup, ... }:
let
  inherit (setup.params) pairs slots;
  mpi = !(pkgs ? standin);

  ep = pkgs.runCommandCC "ep" { buildInputs = [ pkgs.mpich ]; } ''
    mkdir -p "$out/bin"
    mpicc -O3 -o "$out/bin/ep" ${./ep.c} -lm
  '';

  # One line a node, as mpiexec wants it, from what nxc says of the deployment.
  hostfile = ''
    hosts=$(mktemp)
    awk '{ print $2 ":${toString slots}" }' /etc/nxc/deployment-hosts > "$hosts"
    processes=$(($(wc -l < "$hosts") * ${toString slots}))
  '';

  withMPI = ''
    exec mpiexec -f "$hosts" -n "$processes" ${ep}/bin/ep ${toString pairs}
  '';

  # mpiexec in small: rank R of N is a process on the node of its line, and what
  # all print is summed up.
  withSsh = ''
    part() { ssh -n "$1" python3 ${./ep.py} ${toString pairs} "$2" "$processes"; }
    start=$(date +%s.%N)
    rank=0
    while IFS=: read -r node _; do
      for slot in $(seq ${toString slots}); do
        part "$node" "$rank" &
        rank=$((rank + 1))
      done
    done < "$hosts" > "$hosts.parts"
    wait
    awk -v start="$start" -v end="$(date +%s.%N)" -v processes="$processes" '
      { accepted += $1; pairs += $2 }
      END {
        printf "%d of %d pairs accepted by %d processes in %.2f s\n", accepted, pairs, processes, end - start
        exit NR != processes
      }' "$hosts.parts"
  '';
in
{
  roles.node = { pkgs, ... }: {
    # mpiexec logs in on the other nodes.
    nxc.root-sshKeys.betweenNodes = true;
    networking.firewall.enable = false; # the processes choose their ports

    environment.systemPackages = [
      (pkgs.writeShellScriptBin "benchmark" ("set -eu\n" + hostfile + (if mpi then withMPI else withSsh)))
      (if mpi then pkgs.mpich else pkgs.python3)
    ];
  };

  # Two, when the configuration does not say.
  rolesDistribution.node = 2;

  testScript = ''
    start_all()
    first, *others = machines

    with subtest("the first reaches the others"):
        for node in others:
            first.wait_until_succeeds(f"ssh -o BatchMode=yes {node.name} hostname | grep -x {node.name}", timeout=60)

    with subtest("they compute together"):
        result = first.succeed("benchmark")
        print(result)
        accepted, pairs = int(result.split()[0]), int(result.split()[2])
        t.assertEqual(pairs, 2**${toString pairs})
        # A point of the square lies in its circle with probability pi/4.
        t.assertAlmostEqual(accepted / pairs, 0.785, delta=0.005)
        t.assertIn(f"by {len(machines) * ${toString slots}} processes", result)
  '';
}
