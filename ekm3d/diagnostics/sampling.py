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

    def of(self, field: np.ndarray) -> "PointValues | OreValues":
        """Statistics of an array (nz, ny, nx) of this rank."""
        if self.points is not None:
            return PointValues(self.run.domain.gather(padded(self.run, field), self.points))
        return OreValues(self.run, field)


@dataclass
class PointValues:
    """Statistics of numbers that every rank has; (n,)."""

    numbers: np.ndarray

    @property
    def mean(self) -> float:
        """Mean value."""
        return float(self.numbers.mean())

    @property
    def least(self) -> float:
        """Least value."""
        return float(self.numbers.min())

    @property
    def largest(self) -> float:
        """Largest value."""
        return float(self.numbers.max())

    def above(self, limit: float) -> int:
        """Number of values above a limit."""
        return int((self.numbers > limit).sum())


class OreValues:
    """Statistics of a field over all ore, of which a rank has its part."""

    def __init__(self, run: StateView, field: np.ndarray):
        self.domain, self.count = run.domain, int(run.electrodes.ore.sum())
        self.sum = self.domain.sum(padded(run, np.where(run.holds_ore, field, 0.0)))
        self.numbers = field[run.holds_ore]

    @property
    def mean(self) -> float:
        """Mean value."""
        return self.sum / self.count

    @property
    def least(self) -> float:
        """Least value."""
        return -self.domain.max(-self.numbers)

    @property
    def largest(self) -> float:
        """Largest value."""
        return self.domain.max(self.numbers)

    def above(self, limit: float) -> int:
        """Number of values above a limit."""
        return self.domain.count(self.numbers > limit)
