"""Waiting of MPI processes for one another without work: MPI's own keeps a core busy meanwhile."""

import time


def wait_for_all(comm):
    """Return when all processes of a communicator have come here; sleep until then."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(2e-3)
