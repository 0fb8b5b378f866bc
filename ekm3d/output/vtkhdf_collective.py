"""Collective snapshots: one file that all ranks write together, by HDF5 built for MPI.

    all ranks         open the same file, create and enlarge the same datasets
    own box           of every dataset, in one collective call: without a collective call HDF5
                      cannot write compressed chunks in parallel (1.10.2 and newer, with one)

The file is identical to that of a single rank. A chunk that a boundary between boxes crosses is
assembled by one of their ranks.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ekm3d.diagnostics.output_field import OutputField
from ekm3d.output.vtkhdf import Snapshots

PARALLEL = h5py.get_config().mpi      # True if this h5py was built for MPI


class Collective(Snapshots):
    """Snapshots on every rank of a domain; all calls are collective, in one order.

    An error on one rank is raised on all of them, so that none is left waiting.
    """

    def __init__(self, path: str | Path, domain: Any, static: Mapping[OutputField, np.ndarray],
                 fields: Sequence[OutputField], kept: int | None = None) -> None:
        """Create the file; domain: an MpiDomain, the rest as for Snapshots."""
        self.domain = domain
        super().__init__(path, domain.whole, static, fields, local_grid=domain.grid, kept=kept)
        self.communicates = True

    def _process_id(self) -> int:
        return self.domain.allgather(os.getpid())[0]

    @contextmanager
    def _opened(self, path: Path, mode: str = "r+") -> Iterator[h5py.File]:
        self.domain.barrier()            # every rank has closed it
        with h5py.File(path, mode, driver="mpio", comm=self.domain.comm) as file:
            yield file
        self.domain.barrier()            # every rank has written

    def _write(self, data: h5py.Dataset, row: int, array: np.ndarray) -> None:
        box = self.domain.box.index()[1:]
        with self.domain.collective_errors(OSError), data.collective:
            data[(row, *box)] = array

    def _rename(self, draft: Path) -> None:
        with self.domain.collective_errors(OSError):
            if self.domain.is_root:
                super()._rename(draft)
