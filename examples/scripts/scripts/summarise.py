import sys

import yaml

with open(sys.argv[1]) as file:
    results = yaml.safe_load(file)
seconds = [float(s) for s in results["seconds"]]
mean = sum(seconds) / len(seconds)
print(f"{results['node']}: {len(seconds)} measurements, {mean:.6f} s on average")
