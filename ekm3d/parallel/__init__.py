"""Domain decomposition: halos, reproducible sums, the start of MPI."""
