"""One process's part of the benchmark, without MPI: ep.py PAIRS RANK PROCESSES."""

import random
import sys

pairs, rank, processes = 2 ** int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
draw = random.Random(rank)
mine = pairs // processes + (rank < pairs % processes)
accepted = 0
for _ in range(mine):
    x, y = draw.uniform(-1, 1), draw.uniform(-1, 1)
    accepted += 0 < x * x + y * y <= 1
print(accepted, mine)
