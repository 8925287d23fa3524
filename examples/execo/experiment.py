#!/usr/bin/env python3
"""Deploys, measures every combination of parameters on all clients at one time,
and destroys: a row of results.csv for each measurement. Combinations that stand
there already are not measured again, so that it may be interrupted at any time.

With execo (https://mimbert.gitlabpages.inria.fr/execo) installed, its processes
do the work, and its other actions and engines are at hand; without, plain ssh.
"""

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import tempfile

try:
    import execo
except ImportError:
    execo = None

# The parameters, and the values of each.
SWEEP = {"streams": [1, 2], "length": ["8K", "128K"]}
COLUMNS = [*SWEEP, "client", "bits_per_second"]


def nxc(*arguments):
    """Runs nxc, whose messages the user sees, and returns what it printed."""
    done = subprocess.run(["nxc", *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"nxc {' '.join(arguments)} failed")
    return done.stdout


def run(command, nodes, config):
    """Runs a command on all nodes at one time: what it printed, by node."""
    ssh = ("-F", config, "-o", "BatchMode=yes")
    if execo:
        remote = execo.Remote(command, nodes, connection_params={"ssh_options": ssh})
        remote.run()
        if not remote.finished_ok:
            sys.exit(f"failed on a node: {command}")
        return {p.host.address: p.stdout for p in remote.processes}
    processes = {
        node: subprocess.Popen(["ssh", *ssh, node, command], stdout=subprocess.PIPE, text=True)
        for node in nodes
    }
    printed = {node: p.communicate()[0] for node, p in processes.items()}
    for node, p in processes.items():
        if p.returncode != 0:
            sys.exit(f"failed on {node}: {command}")
    return printed


def measure(combination, clients, config):
    """Measures one combination: bits per second by client."""
    command = (
        # client1 has port 5201, and so on; a single client has no number.
        "number=$(tr -dc 0-9 < /etc/nxc/node); "
        "iperf3 --json --client server --port $((5200 + ${number:-1})) --bytes 20M "
        f"--parallel {combination['streams']} --length {combination['length']}"
    )
    return {
        client: round(json.loads(text)["end"]["sum_received"]["bits_per_second"])
        for client, text in run(command, clients, config).items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("-flavour", default="docker")
    parser.add_argument("-keep", action="store_true", help="do not destroy the nodes")
    parser.add_argument("-results", default="results.csv")
    options = parser.parse_args()
    flavour = ("-flavour", options.flavour)

    done = set()
    if os.path.exists(options.results):
        with open(options.results, newline="") as file:
            done = {tuple(row[name] for name in SWEEP) for row in csv.DictReader(file)}
    combinations = [dict(zip(SWEEP, values)) for values in itertools.product(*SWEEP.values())]
    left = [c for c in combinations if tuple(str(v) for v in c.values()) not in done]
    if not left:
        print(f"everything is in {options.results}")
        return

    print(nxc("apply", "-auto-approve", *flavour))
    try:
        clients = json.loads(nxc("inventory", "-json", *flavour))["client"]["hosts"]
        with tempfile.NamedTemporaryFile("w", suffix=".ssh_config") as config:
            config.write(nxc("ssh-config", *flavour))
            config.flush()
            with open(options.results, "a", newline="") as file:
                table = csv.DictWriter(file, COLUMNS)
                if file.tell() == 0:
                    table.writeheader()
                for combination in left:
                    for client, rate in measure(combination, clients, config.name).items():
                        table.writerow({**combination, "client": client, "bits_per_second": rate})
                    file.flush()
                    print(f"measured {combination}")
    finally:
        if not options.keep:
            print(nxc("destroy", "-auto-approve", *flavour))


if __name__ == "__main__":
    main()
