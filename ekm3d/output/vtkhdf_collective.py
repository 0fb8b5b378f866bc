"""One file of the block that all processes write together, by HDF5 built for MPI.

    every process     opens the same file, declares and enlarges the same datasets
    its own box       of every dataset, in one collective call: without a collective call HDF5
                      cannot write compressed chunks in parallel (1.10.2 and newer, with one)

The file holds what `Snapshots` writes alone. Chunks that a border between boxes crosses are put
together by one of their processes.
"""

import os
from contextlib import contextmanager

import h5py

from ekm3d.output.vtkhdf import Snapshots

PARALLEL = h5py.get_config().mpi      # whether this h5py was built for MPI


class Collective(Snapshots):
    """Snapshots in every process of a domain; all calls are made by all of them, in one order.

    An error in one process is one in all: the others are not left waiting for it.
    """

    def __init__(self, path, domain, static, fields):
        """domain: with `whole`, `grid`, `box`, `comm` and `leads`; the rest as Snapshots has it."""
        self.domain = domain
        super().__init__(path, domain.whole, static, fields, part=domain.grid)
        self.sends = True

    def _number(self):
        return self.domain.allgather(os.getpid())[0]

    @contextmanager
    def _opened(self, path, mode="r+"):
        self.domain.barrier()            # whoever had it open has closed it
        with h5py.File(path, mode, driver="mpio", comm=self.domain.comm) as file:
            yield file
        self.domain.barrier()            # all of it is written, in every process

    def _put(self, data, row, array):
        box = self.domain.box.index()[1:]
        with self.domain.collective_errors(OSError), data.collective:
            data[(row, *box)] = array

    def _show(self, draft):
        with self.domain.collective_errors(OSError):
            if self.domain.is_root:
                super()._show(draft)
