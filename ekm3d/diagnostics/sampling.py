"""What a field is where one looks: at the sampling points, or in all ore.

Mean, least and largest value, and how many are above a limit; the same for every number of
processes that the block is cut for.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.grid.grid import GHOST


def places(sim, positions):
    """Flat indices, in a padded array of the whole block, of the voxels at positions (x, y, z)."""
    whole = sim.domain.whole
    index = np.array([whole.voxel_at(p) for p in positions], int).reshape(-1, 3) + GHOST
    return np.ravel_multi_index(tuple(index.T), whole.padded)


def padded(sim, array):
    """An array (..., nz, ny, nx) with ghosts of zero, where the run's arrays live."""
    return sim.backend.from_numpy(
        np.pad(array, [(0, 0)] * (array.ndim - 3) + [(GHOST, GHOST)] * 3))


class Sample:
    """The points, or the ore, of a simulation."""

    def __init__(self, sim, positions=()):
        """positions: (x, y, z) [m] of the points; none: all voxels of ore."""
        self.sim, self.points = sim, places(sim, positions) if len(positions) else None

    def of(self, field):
        """The Values of an array (nz, ny, nx)."""
        sim = self.sim
        if self.points is not None:
            return Values(sim.domain.gather(padded(sim, field), self.points))
        return Spread(sim, field)


@dataclass
class Values:
    """Numbers that every process has."""

    numbers: np.ndarray

    @property
    def mean(self):
        return float(self.numbers.mean())

    @property
    def least(self):
        return float(self.numbers.min())

    @property
    def largest(self):
        return float(self.numbers.max())

    def above(self, limit):
        """How many are above a limit."""
        return int((self.numbers > limit).sum())


class Spread:
    """The same of all ore, of which a process has its part."""

    def __init__(self, sim, field):
        self.domain, self.count = sim.domain, int(sim.electrodes.ore.sum())
        self.sum = self.domain.sum(padded(sim, np.where(sim.holds_ore, field, 0.0)))
        self.numbers = field[sim.holds_ore]

    @property
    def mean(self):
        return self.sum / self.count

    @property
    def least(self):
        return -self.domain.max(-self.numbers)

    @property
    def largest(self):
        return self.domain.max(self.numbers)

    def above(self, limit):
        """How many are above a limit."""
        return self.domain.count(self.numbers > limit)
