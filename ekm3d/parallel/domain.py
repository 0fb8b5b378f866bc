"""Domain: this rank's part of the grid, the whole block or one box of a decomposition.

The physics asks the domain for everything beyond one voxel's neighbourhood: ghost layers, sums and
maxima over the whole block, values of voxels that any rank may hold. Every answer is the same on
all ranks, and the same to the last bit for every number of ranks: sums are reproducible
(`reproducible_sum`), everything else only moves numbers. `Domain` is one process with the whole
block; `MpiDomain` (`mpi_domain`) has the same methods for many.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.read_only_memo import ReadOnlyMemo
from ekm3d.grid.grid import Array, Grid
from ekm3d.parallel.counters import Counters
from ekm3d.parallel.halo_exchange import Box
from ekm3d.parallel.reproducible_sum import ENTRIES, ReproducibleSums, finish
from ekm3d.parallel.voxel_sets import PointSet, Subregion

NUMPY = Backend("reference")


def nothing_to_do() -> None:
    """Update of ghosts where no other rank holds them; `Domain.sequence` leaves it out."""


class Domain:
    """One process with the whole block. Its ghosts are closed: `fill` has nothing to do.

    whole, grid: the block's grid and this rank's part of it; start: (k, j, i) of the part's first
    voxel; is_root: true on the one rank that prints and writes; counters: messages, bytes and
    reductions so far.
    """

    is_root = True

    def __init__(self, whole: Grid, backend: Backend = NUMPY) -> None:
        self.whole, self.backend = whole, backend
        self.box = self._box()
        self.start = self.box.start
        self.grid = whole.part(self.start, self.box.shape)
        self.counters = Counters()
        self.local_sums = ReproducibleSums(self.grid, backend)
        self.point_sets: dict[bytes, PointSet] = {}
        self.points_at = ReadOnlyMemo(self._cached_points)

    def _box(self) -> Box:
        return Box([[0, n] for n in self.whole.shape], 0)

    def barrier(self) -> None:
        """Wait for all ranks."""

    def allgather(self, value: Any) -> list:
        """Return the `value` of every rank, in the order of ranks."""
        return [value]

    def allgather_array(self, values: Any) -> np.ndarray:
        """Return arrays of one shape and type of all ranks, stacked: (ranks, ...)."""
        return np.asarray(values)[None]

    def allgather_pieces(self, piece: np.ndarray, shapes: list[tuple]) -> list[np.ndarray]:
        """Return arrays of one type and of these shapes, one of every rank, in their order."""
        return [piece]

    def collective_errors(self, *errors: type[Exception]) -> AbstractContextManager:
        """Return a context: an error of these classes on one rank is a RuntimeError on the others.
        """
        return nullcontext()

    # ---- ghosts ----

    def fill(self, *arrays: Array) -> None:
        """Update the ghosts of padded arrays (..., padded), edges and corners included.

        All ghost layers that another rank holds, in one message per neighbour and axis; ghosts
        beyond the whole block keep their values.
        """

    def ghost_updater(self, *arrays: Array) -> Callable[[], None]:
        """Return a function that updates one ghost layer (no corners) of exactly these arrays."""
        return nothing_to_do

    def sequence(self, calls: Iterable[Callable[[], Any]]) -> Callable[[], None]:
        """Return one function for calls without arguments that are always made in this order."""
        return self.backend.sequence(call for call in calls if call is not nothing_to_do)

    # ---- sums and maxima ----

    def segment_reducer(self, sums: Array) -> Callable[[], list[float]]:
        """Return a function that reduces segment sums (n, ...) over all ranks to n floats.

        sums: (n, nz, ny, segments), this very array at every call; any other last axes will do.
        The result is reproducible: the same bits for any number of ranks.
        """
        bins = self.local_sums.binner(sums)
        return lambda: self._finish(bins())

    def sum(self, array: Array) -> float:
        """Return the sum over the inner voxels of a padded array."""
        return self._finish(self.local_sums.of_voxels(array))[0]

    def sums(self, array: Array) -> np.ndarray:
        """Return the sums (...) over the inner voxels of an array (..., padded)."""
        bins = self.local_sums.of_many(array.reshape(-1, *self.grid.padded))
        return np.reshape(self._finish(bins), array.shape[:-3])

    def dots(self, arrays: Array, b: Array) -> np.ndarray:
        """Return the sums (n,) of a b over the inner voxels, a in arrays (n, padded), b padded."""
        return np.array(self._finish(self.local_sums.of_many(arrays, b)))

    def dot(self, a: Array, b: Array) -> float:
        """Return the sum of a b over the inner voxels of two padded arrays."""
        return self._finish(self.local_sums.of_products(a, b))[0]

    def subregion(self, ends: Sequence[tuple[int, int]]) -> Subregion:
        """Return the box of voxels from `ends`: (first, last + 1) of the whole along z, y, x."""
        return Subregion(self, ends)

    def sum_within(self, subregions: Sequence[Subregion], parts: Sequence[Array]) -> list[float]:
        """Return the sum over each subregion; parts: values of its voxels of this rank (`part`)."""
        merged = [subregion.merge(part) for subregion, part in zip(subregions, parts, strict=True)]
        return self.sums_and_largest(merged, (), ())[0]

    def _finish(self, bins):
        """Sums (n floats) from this rank's bins (n, ENTRIES) and those of all others."""
        ranks = self.allgather_array(bins).tolist()
        return [finish(rows) for rows in zip(*ranks, strict=True)]

    def max(self, array: Array) -> float:
        """Return the largest value of an array of any shape; nan if it has one, -inf if empty."""
        local = float(array.max()) if array.size else -np.inf
        return float(np.max(self.allgather_array([local])))

    def sums_and_largest(self, merged: Sequence[Array], arrays: Sequence[Array],
                         beside: Sequence[Array]
                         ) -> tuple[list[float], list[float], list[np.ndarray]]:
        """Return sums, of what `Subregion.merge` returned, `max` of arrays, none empty, and other
        arrays of the backend, the same on all ranks, on the host: it waits for a GPU once."""
        largest = [array.max(keepdims=True).reshape(-1) for array in arrays]
        local, *copies = self.backend.to_numpy_all([np.concatenate([*merged, *largest]), *beside])
        ranks, end = self.allgather_array(local), ENTRIES * len(merged)
        bins = ranks[:, :end].reshape(len(ranks), -1, ENTRIES).tolist()
        return ([finish(rows) for rows in zip(*bins, strict=True)],
                ranks[:, end:].max(axis=0).tolist(), copies)

    def any(self, array: Array) -> bool:
        """Return True if any entry of an array of any shape is true."""
        return bool(self.allgather_array([bool(array.any())]).any())

    def count(self, array: Array) -> int:
        """Return the number of true entries of an array of any shape."""
        return int(self.allgather_array([int((array != 0).sum())]).sum())

    # ---- voxels by their index ----

    def points(self, voxel: Sequence[int] | np.ndarray) -> PointSet:
        """Return the voxels at global flat padded indices (n,), the same on all ranks."""
        return PointSet(self, voxel)

    def gather(self, array: Array, voxel: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return NumPy values (..., n) of a padded array at global flat padded indices (n,)."""
        return self.points_at(np.asarray(voxel, int)).gather(array)

    def take(self, array: Array, voxel: np.ndarray) -> Array:
        """Return `gather` as an array of the backend."""
        return self.points_at(voxel).take(array)

    def add_at(self, array: Array, voxel: Sequence[int] | np.ndarray, values: Array) -> None:
        """Add values (..., n), NumPy's or the backend's, to a padded array at such indices.

        Repetitions accumulate.
        """
        self.points_at(np.asarray(voxel, int)).add(array, values)

    def _cached_points(self, voxel):
        """PointSet of these indices, made at the first call."""
        key = voxel.tobytes()
        if key not in self.point_sets:
            self.point_sets[key] = self.points(voxel)
        return self.point_sets[key]

    def local_part(self, data: Any) -> Any:
        """Return a dataclass or dict with this rank's part of every array (..., nz, ny, nx) in it.

        Arrays of fewer axes are the same on all ranks, and so are None and numbers.
        """
        if dataclasses.is_dataclass(data) and not isinstance(data, type):
            return dataclasses.replace(data, **{
                field.name: self.local_part(getattr(data, field.name))
                for field in dataclasses.fields(data)})
        if isinstance(data, dict):
            return {key: self.local_part(value) for key, value in data.items()}
        return self.local_view(data) if np.ndim(data) >= 3 else data

    def local_view(self, array: Array, halo: int = 0) -> Array:
        """Return a view of this rank's part of an array (..., nz, ny, nx) of the whole.

        halo: number of layers of the neighbours to include, where there are any.
        """
        return array[(Ellipsis, *(slice(max(a - halo, 0), b + halo) for a, b in zip(
            self.box.start, self.box.stop, strict=True)))]

    # ---- the whole grid ----

    def assemble(self, part: Array, whole: Array) -> None:
        """Copy the inner voxels of every rank's `part` (..., padded) into `whole`, on all ranks.

        whole: (..., padded of the whole grid).
        """
        whole[self.whole.inner] = part[self.grid.inner]

    def extract(self, whole: Array, part: Array) -> None:
        """Copy this rank's voxels of `whole` into `part` (..., padded), without ghosts."""
        part[self.grid.inner] = self.local_view(whole[self.whole.inner])

    def slabs(self, array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first layer, (layers, ny, nx, ...)) of the whole grid on the root rank.

        array: NumPy (nz, ny, nx, ...) without ghosts. All ranks must run the loop (`gather_slabs`).
        """
        yield 0, array

    @property
    def boxes(self) -> list[tuple]:
        """((k, j, i) of the first voxel, of the one behind the last) of every rank's part."""
        return [(box.start, box.stop) for box in self._boxes()]

    def _boxes(self) -> list[Box]:
        return [self.box]

    def coarsened(self, whole: Grid) -> Domain | None:
        """Return the domain of a grid with some axes halved; None if a cut cannot be halved."""
        return Domain(whole, self.backend)

    def alone(self) -> Domain:
        """Return the whole grid as a domain of this rank alone."""
        return Domain(self.whole, self.backend)
