/* Draws 2^PAIRS pairs of random numbers on all processes together, and counts
   those from which the polar method makes normal deviates: ep PAIRS. */
#include <math.h>
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A linear congruential generator (the multiplier of Knuth's MMIX), of which
   every process has a stream of its own; the high bits are the good ones. */
static double draw(uint64_t *state) {
  *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
  return (double)(*state >> 11) / (double)(1ULL << 52) - 1;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  int rank, processes;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &processes);

  uint64_t pairs = 1ULL << (argc > 1 ? atoi(argv[1]) : 20);
  uint64_t mine = pairs / processes + ((uint64_t)rank < pairs % processes);
  uint64_t state = 0x9e3779b97f4a7c15ULL * (rank + 1);
  double start = MPI_Wtime();

  /* How many were accepted, and the sums of the deviates. */
  double part[3] = {0}, all[3];
  for (uint64_t i = 0; i < mine; i++) {
    double x = draw(&state), y = draw(&state), t = x * x + y * y;
    if (t > 0 && t <= 1) {
      double f = sqrt(-2 * log(t) / t);
      part[0]++;
      part[1] += x * f;
      part[2] += y * f;
    }
  }
  MPI_Reduce(part, all, 3, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);

  if (rank == 0) {
    printf("%.0f of %llu pairs accepted by %d processes in %.2f s\n", all[0],
           (unsigned long long)pairs, processes, MPI_Wtime() - start);
    printf("sums of the deviates: %.3f %.3f\n", all[1], all[2]);
  }
  MPI_Finalize();
  return 0;
}
