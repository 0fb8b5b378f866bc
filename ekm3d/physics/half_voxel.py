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
from ekm3d.boundaries.boundary_faces import Roles
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.physics.face_interpolation import from_reservoir


class FaceList(Protocol):
    """Boundary faces, as of `BoundaryFaces`; arrays (n,)."""

    @property
    def strip(self) -> np.ndarray:
        """Number of the strip, or of the side, behind it."""

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


def rise_to_faces(ore: Array, beyond: Array, factor: Array) -> Array:
    """Return c_f - c at every face, (species, n) [mol/m3]; 0 where nothing moves behind the voxel.

    ore, beyond: (species, n) in the faces' voxels and in those behind them (`behind`); factor: (n,)
    there, > 0 where species move.
    """
    return np.where(factor > 0.0, np.maximum(0.5 * (ore - beyond), -ore), 0.0)


class Water(NamedTuple):
    """One water of the ore at all boundary faces; arrays of the backend."""

    contact: Array      # (n,) G of the half voxel before the face [m]
    ore: Array          # (species, n) in the face's voxel [mol/m3 of water]
    rise: Array         # (species, n) from there to metal, `rise_to_faces`; 0 without metal


class HalfVoxels:
    """Half voxels before all boundary faces, whose values are taken once per step.

    along: of the transport factor across the faces over that along x, see `Rock.across`.
    """

    def __init__(self, domain: Domain, faces: FaceList, grid: Grid, z: np.ndarray,
                 diffusion: np.ndarray, inverse_temperature: float) -> None:
        """z, diffusion [m2/s]: (species,); inverse_temperature: 298.15 K / T."""
        self.z, self.diffusion = z[:, None], diffusion[:, None]
        self.inverse_temperature, self.f_rt = inverse_temperature, F_RT * inverse_temperature
        self.domain, self.faces, self.n = domain, faces, len(faces.voxel)
        self.both = read_only(np.concatenate([faces.voxel, behind(faces, grid)]))
        self.along: np.ndarray | float = 1.0

    def water(self, c: Array, factor: Array, metal: bool) -> Water:
        """Return a water of the ore; metal: whether any face is in metal now.

        c: (species, padded); factor: padded transport factor.
        """
        n, cached = self.n, self.domain.backend.cached
        at = self.both if metal else self.faces.voxel
        found, factors = self.domain.take(c, at), self.domain.take(factor, at)
        ore = found[:, :n]
        rise = rise_to_faces(ore, found[:, n:], factors[n:]) if metal else 0.0
        along = cached(self.along) if isinstance(self.along, np.ndarray) else self.along
        contact = cached(self.faces.area) * factors[:n] / cached(self.faces.half) * along
        return Water(contact, ore, rise)

    def behind_faces(self, reservoir_species: np.ndarray) -> Array:
        """Return the species (species, n) in the tanks or reservoirs behind the faces, on the
        backend; reservoir_species: of `State`."""
        backend = self.domain.backend
        return backend.from_numpy(reservoir_species)[:, backend.cached(self.faces.strip)]

    def conduct(self, water: Water, roles: Roles, reservoir: Array, previous_drop: np.ndarray,
                use_smaller_side: np.ndarray) -> list[np.ndarray]:
        """Return conductance [S], diffusion current [A] and G [m] of every face, on the host.

        reservoir: `behind_faces`; previous_drop [V], use_smaller_side: (n,), see `BoundaryState`.
        """
        backend = self.domain.backend
        z, d, passes, metal = map(backend.cached, (self.z, self.diffusion, roles.passes,
                                                   roles.metal))
        contact, ore, rise = water
        star = np.where(passes, from_reservoir(
            ore, reservoir, z, backend.from_numpy(self.inverse_temperature * previous_drop),
            backend.from_numpy(use_smaller_side)), ore)
        conductance = FARADAY * self.f_rt * contact * (z * z * d * star).sum(0)
        offset = np.where(passes, FARADAY * contact * (z * d * (ore - reservoir)).sum(0),
                          np.where(metal, -FARADAY * contact * (z * d * rise).sum(0), 0.0))
        return backend.to_numpy_all([conductance, offset, contact])
