"""Sets of voxels anywhere in the block, and this rank's share of them: a box, or a list of points.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.read_only_memo import ReadOnlyMemo, read_only
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.parallel.halo_exchange import Box
from ekm3d.parallel.reproducible_sum import EMPTY, ReproducibleSums


class Ranks(Protocol):
    """Domain as the sets of voxels see it: the whole grid, this rank's box, and gathering."""

    whole: Grid
    grid: Grid
    box: Box
    backend: Backend

    def allgather_array(self, values: Sequence | np.ndarray) -> np.ndarray:
        """Stack an array of every rank."""

    def allgather_pieces(self, piece: np.ndarray, shapes: list[tuple]
                         ) -> list[np.ndarray]:
        """Return the arrays of all ranks, of these shapes."""


class Subregion:
    """Box of voxels anywhere in the block.

    part: slices (z, y, x) of this rank's inner voxels that lie in it; shape: their numbers; holds:
    mask (n,) of the flat padded indices (n,) of the whole block that lie in it.
    """

    def __init__(self, domain: Ranks, ends: Sequence[tuple[int, int]]) -> None:
        """ends: (first, last + 1) voxel of the whole block along z, y, x."""
        self.domain, self.ends = domain, tuple(ends)
        local = [np.clip([low, high], a, b) - a for (low, high), a, b in zip(
            self.ends, domain.box.start, domain.box.stop, strict=True)]
        self.part = tuple(slice(int(a), int(b)) for a, b in local)
        self.shape = tuple(int(b - a) for a, b in local)
        self.holds = ReadOnlyMemo(self._holds)
        self.sums, self.empty = None, domain.backend.from_numpy(EMPTY)
        if np.prod(self.shape):
            grid = Grid(tuple(reversed(self.shape)), domain.whole.spacing, segment=1)
            self.sums = ReproducibleSums(grid, domain.backend)

    def merge(self, values: Array) -> Array:
        """Return this rank's bins (ENTRIES,) of the sum of values (nz, ny, nx) over `part`.

        On the backend, and of this object: the next call changes them.
        """
        if self.sums is None:
            return self.empty
        self.sums.segments[...] = values
        self.sums.merge_segments()
        return self.sums.merged

    def _holds(self, voxel: np.ndarray) -> np.ndarray:
        """Mask (n,) of the flat padded indices (n,) of the whole block that lie in it."""
        index = np.unravel_index(voxel, self.domain.whole.padded)
        return np.all([(low + GHOST <= n) & (n < high + GHOST)
                       for n, (low, high) in zip(index, self.ends, strict=True)], axis=0)


class PointSet:
    """Voxels anywhere in the block, given by their flat indices in the padded whole grid."""

    def __init__(self, domain: Ranks, voxel: Sequence[int] | np.ndarray) -> None:
        """voxel: (n,), the same on all ranks, repetitions allowed; ValueError outside the block."""
        self.domain, self.count = domain, len(voxel)
        index = np.array(np.unravel_index(np.asarray(voxel, int), domain.whole.padded)) - GHOST
        box = domain.box
        low, high = np.array(box.start)[:, None], np.array(box.stop)[:, None]
        self.here = np.flatnonzero(((index >= low) & (index < high)).all(axis=0))
        local = index[:, self.here] - low + GHOST
        self.voxel = read_only(np.ravel_multi_index(tuple(local), domain.grid.padded))
        sizes = domain.allgather_array([self.here.size]).ravel().tolist()
        if sum(sizes) != self.count:
            raise ValueError("places: a voxel lies outside the block")
        self.shapes, self.alone = [(size,) for size in sizes], len(sizes) == 1
        self.order = np.argsort(np.concatenate(domain.allgather_pieces(self.here, self.shapes)))

    def gather(self, array: Array) -> np.ndarray:
        """Return NumPy values (..., n) of a padded array (..., padded), on every rank."""
        local = self.domain.backend.gather(array, self.voxel)
        if self.alone:
            return local
        pieces = self.domain.allgather_pieces(
            local, [(*local.shape[:-1], *shape) for shape in self.shapes])
        return np.concatenate(pieces, axis=-1)[..., self.order]

    def take(self, array: Array) -> Array:
        """Return `gather` as an array of the backend."""
        backend = self.domain.backend
        if self.alone:
            return backend.at_voxels(array, self.voxel)
        return backend.from_numpy(self.gather(array))

    def add(self, array: Array, values: Array) -> None:
        """Add values (..., n), NumPy's or the backend's and the same on every rank, to a padded
        array (..., padded)."""
        backend = self.domain.backend
        if not self.alone:
            values = backend.from_numpy(values)[..., backend.cached(self.here)]
        backend.add_at(array, self.voxel, values)
