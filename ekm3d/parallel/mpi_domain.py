"""Domain of one rank among many: a box of the decomposed grid, halos and reductions by MPI.

The communicator is given (`team`); no other module sends messages, but for `halo_exchange` and
`gather_slabs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.errors import LaunchError
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.parallel import gather_slabs
from ekm3d.parallel.decomposition import decompose
from ekm3d.parallel.domain import Domain
from ekm3d.parallel.gpu_sharing import refuse_sharing
from ekm3d.parallel.halo_exchange import Box, Exchange
from ekm3d.parallel.team import collective_errors


class MpiDomain(Domain):
    """One box of a decomposed grid; boxes are numbered as the ranks of the communicator."""

    def __init__(self, whole: Grid, backend: Backend, comm: Any,
                 planes: list[list[int]] | None = None) -> None:
        """planes: cuts 0, ..., n of the whole grid along z, y, x; by default `decompose` chooses.

        ValueError if the grid cannot be divided into as many boxes as there are ranks.
        """
        self.comm, self.planes = comm, planes or decompose(whole, comm.size)
        self.exchanges: dict[tuple, Exchange] = {}
        super().__init__(whole, backend)
        self.is_root = comm.rank == 0

    def _box(self) -> Box:
        return Box(self.planes, self.comm.rank)

    def _boxes(self) -> list[Box]:
        return [Box(self.planes, rank) for rank in range(self.comm.size)]

    def barrier(self) -> None:
        self.comm.Barrier()

    def allgather(self, value: Any) -> list:
        return self.comm.allgather(value)

    def allgather_array(self, values: Any) -> np.ndarray:
        local = np.ascontiguousarray(values)
        result = np.empty((self.comm.size, *local.shape), local.dtype)
        self.comm.Allgather(local, result)
        self.counters.reductions += 1
        return result

    def allgather_pieces(self, piece: np.ndarray, shapes: list[tuple]) -> list[np.ndarray]:
        sizes = [int(np.prod(shape)) for shape in shapes]
        starts = np.cumsum([0, *sizes])
        result = np.empty(starts[-1], piece.dtype)
        self.comm.Allgatherv(np.ascontiguousarray(piece), [result, sizes])
        self.counters.messages += self.comm.size - 1
        self.counters.bytes += piece.nbytes * (self.comm.size - 1)
        return [result[a:b].reshape(shape)
                for a, b, shape in zip(starts[:-1], starts[1:], shapes, strict=True)]

    def collective_errors(self, *errors: type[Exception]) -> AbstractContextManager:
        return collective_errors(self.comm, errors)

    def fill(self, *arrays: Array) -> None:
        exchange = self._exchange(arrays, GHOST, True)
        exchange.run(exchange.bind(arrays))

    def ghost_updater(self, *arrays: Array) -> Callable[[], None]:
        exchange = self._exchange(arrays, 1, False)
        bound = exchange.bind(arrays)
        return lambda: exchange.run(bound)

    def sequence(self, calls: Iterable[Callable[[], Any]]) -> Callable[[], None]:
        """Return one function for these calls; messages among them cannot be part of a CUDA graph.
        """
        def run_all():
            for call in calls:
                call()
        return run_all

    def _exchange(self, arrays, layers, corners):
        """Exchange for arrays of these types and leading shapes, made at the first call."""
        kinds = tuple((np.dtype(a.dtype), tuple(a.shape[:-3])) for a in arrays)
        key = kinds, layers, corners
        if key not in self.exchanges:
            self.exchanges[key] = Exchange(self.comm, self.box, self.backend, kinds, layers,
                                           corners, self.counters)
        return self.exchanges[key]

    def assemble(self, part: Array, whole: Array) -> None:
        local = self.backend.to_numpy(part[self.grid.inner])
        lead = local.shape[:-3]
        boxes = self._boxes()
        pieces = self.allgather_pieces(local, [(*lead, *box.shape) for box in boxes])
        inner = np.empty((*lead, *self.whole.shape), local.dtype)
        for box, piece in zip(boxes, pieces, strict=True):
            inner[box.index()] = piece
        whole[self.whole.inner] = self.backend.from_numpy(inner)

    def slabs(self, array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        return gather_slabs.slabs(self, array)

    def coarsened(self, whole: Grid) -> Domain | None:
        planes = []
        for axis, size in zip(self.planes, whole.shape, strict=True):
            if axis[-1] == size:
                planes.append(axis)
            elif any(plane % 2 for plane in axis[1:-1]):
                return None
            else:
                planes.append([*(plane // 2 for plane in axis[:-1]), size])
        coarse = MpiDomain(whole, self.backend, self.comm, planes)
        coarse.counters = self.counters
        return coarse


def domain_of(whole: Grid, backend: Backend, comm: Any = None) -> Domain:
    """Return this rank's part of the grid `whole`.

    comm: an MPI communicator, None for one process. LaunchError where the grid cannot be divided
    among its ranks, or two ranks would share a GPU.
    """
    if comm is None:
        return Domain(whole, backend)
    refuse_sharing(comm, backend)
    try:
        return MpiDomain(whole, backend, comm)
    except ValueError as error:
        raise LaunchError(str(error)) from None
