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

from ekm3d.backends.base import operator
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


@operator
def face_currents(g, c, factor, reservoir, strip, contact, drop, smaller_side, passes, metal, z,
                  diffusion, n, m, places, f_rt, conductance, offset):
    """Compute conductance [S] and diffusion current [A] of every half voxel before a face.

    g: of (n, 1, 1) voxels; c: (species, m) and factor: (m,) in the faces' voxels, then in those
    behind them, m = 2 n, or n without metal; reservoir: (species, places); strip, contact [m],
    drop [V, reduced], smaller_side, passes, metal: (n,), the last three uint8. Outputs (n,).
    """
    z, d, passes = z[:, None], diffusion[:, None], passes > 0
    ore, behind_faces = c[:, :n], reservoir[:, strip]
    star = np.where(passes, from_reservoir(ore, behind_faces, z, drop, smaller_side > 0), ore)
    rise = rise_to_faces(ore, c[:, n:], factor[n:]) if m > n else np.zeros_like(ore)
    conductance[:] = FARADAY * f_rt * contact * np.ascontiguousarray(z * z * d * star).sum(0)
    offset[:] = np.where(passes, FARADAY * contact * _as_tree(z * d * (ore - behind_faces)),
                         np.where(metal > 0, -FARADAY * contact * _as_tree(z * d * rise), 0.0))


def _as_tree(terms):
    """Sum over the species of (species, n), eight at a time: a face's terms side by side."""
    return np.asfortranarray(terms).sum(0)


def rise_to_faces(ore: Array, beyond: Array, factor: Array) -> Array:
    """Return c_f - c at every face, (species, n) [mol/m3]; 0 where nothing moves behind the voxel.

    ore, beyond: (species, n) in the faces' voxels and in those behind them (`behind`); factor: (n,)
    there, > 0 where species move.
    """
    return np.where(factor > 0.0, np.maximum(0.5 * (ore - beyond), -ore), 0.0)


class Water(NamedTuple):
    """One water of the ore at all boundary faces; arrays of the backend."""

    contact: Array      # (n,) G of the half voxel before the face [m]
    c: Array            # (species, n) in the faces' voxels [mol/m3 of water], then (species, n) in
    #                     those behind the faces if any is in metal
    factor: Array       # the transport factor there


class HalfVoxels:
    """Half voxels before all boundary faces, whose values are taken once per step.

    along: of the transport factor across the faces over that along x, see `Rock.across`.
    """

    def __init__(self, domain: Domain, faces: FaceList, grid: Grid, z: np.ndarray,
                 diffusion: np.ndarray, inverse_temperature: float) -> None:
        """z, diffusion [m2/s]: (species,); inverse_temperature: 298.15 K / T."""
        self.z, self.diffusion = (np.ascontiguousarray(a, dtype=float) for a in (z, diffusion))
        self.inverse_temperature, self.f_rt = inverse_temperature, F_RT * inverse_temperature
        self.domain, self.faces, self.n = domain, faces, len(faces.voxel)
        self.line = Grid((self.n, 1, 1), (1.0, 1.0, 1.0)) if self.n else None
        self.face_currents = domain.backend.bind(face_currents, NS=len(z))
        self.both = read_only(np.concatenate([faces.voxel, behind(faces, grid)]))
        self.along: np.ndarray | float = 1.0

    def water(self, c: Array, factor: Array, metal: bool) -> Water:
        """Return a water of the ore; metal: whether any face is in metal now.

        c: (species, padded); factor: padded transport factor.
        """
        n = self.n
        at = self.both if metal else self.faces.voxel
        found, factors = self.domain.take(c, at), self.domain.take(factor, at)
        c = found if found.flags.c_contiguous else found.copy()
        return Water(self.contact(factors[:n]), c, factors)

    def contact(self, factor: Array) -> Array:
        """Return the factor (n,) in the faces' voxels times the area over the half voxel's length.
        """
        cached = self.domain.backend.cached
        along = cached(self.along) if isinstance(self.along, np.ndarray) else self.along
        return cached(self.faces.area) * factor / cached(self.faces.half) * along

    def conduct(self, water: Water, roles: Roles, reservoir_species: np.ndarray,
                previous_drop: Array, use_smaller_side: Array) -> tuple[Array, Array]:
        """Return conductance [S] and diffusion current [A] of every face, on the backend.

        reservoir_species: (species, places), of `State`, in the tanks or reservoirs behind the
        faces; previous_drop [V], use_smaller_side: (n,), see `BoundaryState`.
        """
        backend, n = self.domain.backend, self.n
        conductance, offset = backend.zeros(n), backend.zeros(n)
        if not self.line:
            return conductance, offset
        reservoir = reservoir_species if reservoir_species.size else np.zeros((len(self.z), 1))
        c = water.c
        drop = previous_drop if self.inverse_temperature == 1 else (
            self.inverse_temperature * previous_drop)
        self.face_currents(
            self.line, c, water.factor, backend.from_numpy(np.ascontiguousarray(reservoir)),
            backend.cached(self.faces.strip), water.contact, drop, use_smaller_side,
            backend.cached(roles.passing), backend.cached(roles.in_metal), self.z, self.diffusion,
            n, c.shape[1], reservoir.shape[1], self.f_rt, conductance, offset)
        return conductance, offset
