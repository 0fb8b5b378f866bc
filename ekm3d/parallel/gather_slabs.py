"""Gathering of a whole-grid array on the root rank, slab by slab of layers, to be written.

No rank ever holds the whole grid: the root receives one slab after the other, from the lowest
layer upwards, and each other rank sends its part of a slab when the root asks for it.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from ekm3d.grid.grid import Grid

THICK = 32     # layers of a slab; as many as a file compresses together (`output.vtkhdf`)
TAG = 7001     # of the messages


class Boxes(Protocol):
    """Domain as the gathering sees it."""

    whole: Grid
    comm: Any                   # an MPI communicator
    is_root: bool

    @property
    def boxes(self) -> list:
        """Bounds ((k, j, i) of the first voxel, of the one behind the last) of every rank."""


def slabs(domain: Boxes, array: np.ndarray, thick: int = THICK
          ) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first layer, (layers, ny, nx, ...)) of the whole grid on the root rank.

    array: (nz, ny, nx, ...) of this rank's box. The other ranks yield nothing, but must run the
    loop: it sends.
    """
    nz, ny, nx = domain.whole.shape
    layers = [range(lower[0], upper[0]) for lower, upper in domain.boxes]
    own_layers = layers[domain.comm.rank]
    for low in range(0, nz, thick):
        high = min(low + thick, nz)
        cuts = [range(max(low, r.start), min(high, r.stop)) for r in layers]
        own_cut = cuts[domain.comm.rank]
        own = np.ascontiguousarray(
            array[own_cut.start - own_layers.start:own_cut.stop - own_layers.start]
            if own_cut else array[:0])
        if not domain.is_root:
            if own_cut:
                domain.comm.Ssend(own, 0, TAG)
            continue
        slab = np.empty((high - low, ny, nx, *array.shape[3:]), array.dtype)
        for rank, (cut, (lower, upper)) in enumerate(zip(cuts, domain.boxes, strict=True)):
            if not cut:
                continue
            part = own
            if rank != domain.comm.rank:
                part = np.empty((len(cut), upper[1] - lower[1], upper[2] - lower[2],
                                 *array.shape[3:]), array.dtype)
                domain.comm.Recv(part, rank, TAG)
            slab[cut.start - low:cut.stop - low, lower[1]:upper[1], lower[2]:upper[2]] = part
        yield low, slab
