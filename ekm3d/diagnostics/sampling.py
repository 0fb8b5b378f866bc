"""Statistics of a voxel field at the sampling points, or in all ore.

Mean, least and largest value, and the number above a limit; the same for every number of ranks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ekm3d.diagnostics.run_view import StateView
from ekm3d.grid.grid import GHOST, Array


def voxels_at(run: StateView, positions: Sequence[Sequence[float]]) -> np.ndarray:
    """Flat indices, in a padded array of the whole block, of the voxels at positions (x, y, z) [m].
    """
    whole = run.domain.whole
    index = np.array([whole.voxel_at(p) for p in positions], int).reshape(-1, 3) + GHOST
    return np.ravel_multi_index(tuple(index.T), whole.padded)


def padded(run: StateView, array: np.ndarray) -> Array:
    """Array (..., nz, ny, nx) with ghosts of zero, where the run's arrays live."""
    return run.backend.from_numpy(
        np.pad(array, [(0, 0)] * (array.ndim - 3) + [(GHOST, GHOST)] * 3))


class Sample:
    """Sampling points of a run, or all of its ore."""

    def __init__(self, run: StateView, positions: Sequence[Sequence[float]] = ()):
        """positions: (x, y, z) [m] of the points; none: all voxels of ore."""
        self.run, self.points = run, voxels_at(run, positions) if len(positions) else None

    def of(self, field: np.ndarray, where: np.ndarray | None = None) -> "PointValues | OreValues":
        """Statistics of an array (nz, ny, nx) of this rank; where: mask of voxels that count."""
        if self.points is None:
            return OreValues(self.run, field, self.run.holds_ore if where is None
                             else self.run.holds_ore & where)
        gather = self.run.domain.gather
        numbers = gather(padded(self.run, field), self.points)
        if where is not None:
            numbers = numbers[gather(padded(self.run, where.astype(float)), self.points) > 0]
        return PointValues(numbers)


@dataclass
class PointValues:
    """Statistics of numbers that every rank has; (n,)."""

    numbers: np.ndarray

    @property
    def mean(self) -> float | None:
        """Mean value; None without any."""
        return float(self.numbers.mean()) if self.numbers.size else None

    @property
    def least(self) -> float | None:
        """Least value."""
        return float(self.numbers.min()) if self.numbers.size else None

    @property
    def largest(self) -> float | None:
        """Largest value."""
        return float(self.numbers.max()) if self.numbers.size else None

    def above(self, limit: float) -> int | None:
        """Number of values above a limit."""
        return int((self.numbers > limit).sum()) if self.numbers.size else None


class OreValues:
    """Statistics of a field over voxels of ore, of which a rank has its part."""

    def __init__(self, run: StateView, field: np.ndarray, where: np.ndarray):
        """Take the voxels of a mask `where` (nz, ny, nx)."""
        self.domain, self.count = run.domain, run.domain.count(where)
        self.sum = self.domain.sum(padded(run, np.where(where, field, 0.0)))
        self.numbers = field[where]

    @property
    def mean(self) -> float | None:
        """Mean value; None without any."""
        return self.sum / self.count if self.count else None

    @property
    def least(self) -> float | None:
        """Least value."""
        least = -self.domain.max(-self.numbers)
        return least if self.count else None

    @property
    def largest(self) -> float | None:
        """Largest value."""
        largest = self.domain.max(self.numbers)
        return largest if self.count else None

    def above(self, limit: float) -> int | None:
        """Number of values above a limit."""
        number = self.domain.count(self.numbers > limit)
        return number if self.count else None
