"""The half voxel between an ore voxel's centre and a boundary face: what its ends differ by.

    I = S (V - phi) + F G sum z D (c_f - c),     c_f = max(c + (c - c_b)/2, 0)          [A]

G = A m/(h/2) of the half voxel, S = F (F/RT) G sum z2 D c, c of the voxel, c_b of the voxel behind
it, c_f at metal, where no ion but acid passes: the gradient of the face behind goes on. An error of
first order in h there is one of second order in the voltage, as the half voxel is h/2 long. No c_f
is negative, so that the diffusion potential stays below RT/F however coarse the voxels are. Between
ore and a tank or a reservoir c_f is that of the water there. A rod (axis -1) has no face behind.
"""

from typing import NamedTuple, Protocol

import numpy as np

from ekm3d.backends.read_only_memo import read_only
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.parallel.domain import Domain


class FaceList(Protocol):
    """Boundary faces, as of `BoundaryFaces`; arrays (n,)."""

    @property
    def voxel(self) -> np.ndarray:
        """Flat index of the ore voxel in a padded array."""

    @property
    def axis(self) -> np.ndarray:
        """Array axis across the face; -1 inside a voxel."""

    @property
    def way(self) -> np.ndarray:
        """1 where the way into the ore goes up the axis, else -1."""

    @property
    def area(self) -> np.ndarray:
        """Area [m2]."""

    @property
    def half(self) -> np.ndarray:
        """Way from the voxel's centre to the face [m]."""


def behind(faces: FaceList, grid: Grid) -> np.ndarray:
    """Return the flat padded index of the voxel behind that of every face, (n,).

    Its own where the block ends, and of a rod. grid: the whole one.
    """
    at = np.array(np.unravel_index(faces.voxel, grid.padded)) - GHOST
    inside = faces.axis >= 0
    for axis, cells in enumerate(grid.shape):
        own = faces.axis == axis
        at[axis, own] += faces.way[own]
        inside &= (at[axis] >= 0) & (at[axis] < cells)
    there = np.ravel_multi_index(tuple(at + GHOST), grid.padded)
    return np.where(inside, there, faces.voxel)


def rise_to_faces(ore: np.ndarray, beyond: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return c_f - c at every face, (species, n) [mol/m3]; 0 where nothing moves behind the voxel.

    ore, beyond: (species, n) in the faces' voxels and in those behind them (`behind`); factor: (n,)
    there, > 0 where species move.
    """
    return np.where(factor > 0.0, np.maximum(0.5 * (ore - beyond), -ore), 0.0)


class Water(NamedTuple):
    """One water of the ore at all boundary faces."""

    contact: np.ndarray      # (n,) G of the half voxel before the face [m]
    ore: np.ndarray          # (species, n) in the face's voxel [mol/m3 of water]
    rise: np.ndarray         # (species, n) from there to metal, `rise_to_faces`


class HalfVoxels:
    """Half voxels before all boundary faces, whose values are gathered once per step.

    along: of the transport factor across the faces over that along x, see `Rock.across`.
    """

    def __init__(self, domain: Domain, faces: FaceList, grid: Grid) -> None:
        self.domain, self.faces, self.n = domain, faces, len(faces.voxel)
        self.both = read_only(np.concatenate([faces.voxel, behind(faces, grid)]))
        self.along: np.ndarray | float = 1.0

    def water(self, c: Array, factor: Array, metal: bool) -> Water:
        """Return a water of the ore; metal: whether any face is in metal now.

        c: (species, padded); factor: padded transport factor.
        """
        f, n = self.faces, self.n
        at = self.both if metal else f.voxel
        found, factors = self.domain.gather_all([c, factor], at)
        ore, rise = found[:, :n], np.zeros((len(found), n))
        if metal:
            rise = rise_to_faces(ore, found[:, n:], factors[n:])
        return Water(f.area * factors[:n] / f.half * self.along, ore, rise)
