"""Conduction along the clay: exchangeable cations that migrate from voxel to voxel.

    J_i = -s D_i z_i (F/RT) N_i grad phi,        sigma = F (F/RT) s sum_i z_i2 D_i N_i

N_i is what the exchanger holds, per volume of rock, D_i the diffusion coefficient of the ion in
free water and s its mobility on the clay over that in water, tortuosity included (Revil and Glover
1998, Geophys. Res. Lett. 25, 691, for the Stern layer). Migration alone: what diffuses would leave
sites bare. On a face N*_i is that of the voxel that the cations come from, the smaller one where
the drift's sign is uncertain; the same N* conducts in the potential's equation and moves, so that
clay conducts by its carriers and by nothing else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import Array, Grid
from ekm3d.grid.stencil import above, below, ends, faces, gain
from ekm3d.parallel.domain import Domain
from ekm3d.physics.divergence import accumulate
from ekm3d.physics.face_interpolation import by_axis, geometric_conductance, of_axis

TURNED = 1e-6       # |u| = F/RT times a face's voltage, above which a turn of the drift counts


def carriers(exchanged: Array, previous_phi: Array, use_smaller_side: Array, axis: int) -> Array:
    """Return N* of every exchange species on the faces of an axis; (exchange, faces) [mol/m3]."""
    a, b = below(exchanged, axis), above(exchanged, axis)
    forward = below(previous_phi, axis) - above(previous_phi, axis) > 0
    return np.where(faces(use_smaller_side[axis], axis) > 0, np.minimum(a, b),
                    np.where(forward, a, b))


@operator
def clay_conductance(g, exchanged, clay_factor, previous_phi, use_smaller_side, exchange_z,
                     exchange_diffusion, conductance):
    """Compute the conductance of every face along the clay  [S].

    exchanged: (exchange, padded) mol/m3 of rock; clay_factor: (1 or 3, padded) s, see `of_axis`;
    previous_phi: padded V, of the last iterate; use_smaller_side: (3, padded) uint8; exchange_z,
    exchange_diffusion [m2/s]: (exchange,). Output conductance: (3, padded).
    """
    for axis in range(3):
        star = carriers(exchanged, previous_phi, use_smaller_side, axis)
        geometric = geometric_conductance(of_axis(clay_factor, axis), g, axis)
        faces(conductance[axis], axis)[...] = FARADAY * F_RT * geometric * WeightedSum(
            exchange_z * exchange_z * exchange_diffusion)(star)[0]


@operator
def clay_gain(g, exchanged, clay_factor, phi, previous_phi, use_smaller_side, exchange_z,
              exchange_diffusion, exchange_nu, gained):
    """Compute what every voxel gains of the components along the clay  [mol/s].

    phi: padded V, of the solution; exchange_nu: (exchange, components); other arguments as of
    `clay_conductance`. Output gained: (components, padded), inner voxels are written.
    """
    mobile = (exchange_z * exchange_diffusion)[:, None, None, None]
    gained[g.inner] = 0.0
    for axis in range(3):
        star = carriers(exchanged, previous_phi, use_smaller_side, axis)
        geometric = geometric_conductance(of_axis(clay_factor, axis), g, axis)
        drift = F_RT * geometric * (below(phi, axis) - above(phi, axis))
        gained[g.inner] += gain(WeightedSum(exchange_nu.T)(mobile * star * drift), axis)


class SurfaceConduction:
    """Cations that move along the clay, of the moving or of the immobile water's part of it."""

    def __init__(self, grid: Grid, backend: Backend, chem: ChemicalSystem, mobility: Array,
                 along: Array | None):
        """mobility: padded s [1], ghosts filled; along: of the tortuosity, see `Rock.along`."""
        self.grid, k = grid, len(chem.components)
        self.z, self.nu = np.asarray(chem.z_x, float), np.asarray(chem.nu_x, float)
        self.diffusion, self.mobility = exchange_diffusion(chem), mobility
        self.factor = by_axis(mobility, along)
        self.weights = FARADAY * F_RT * self.z * self.z * self.diffusion
        self.weighted_sum = backend.weighted_sum
        counts: dict[str, Any] = {"NX": len(self.z), "NK": k, "NT": len(self.factor)}
        self.accumulate = backend.bind(accumulate, NK=k)
        self._conductance, self._gain = (backend.bind(op, **counts)
                                         for op in (clay_conductance, clay_gain))
        self.conductance = backend.zeros((3, *grid.padded))
        self.gained = backend.zeros((k, *grid.padded))

    def conduct(self, exchanged: Array, previous_phi: Array, use_smaller_side: Array) -> Array:
        """Return the conductance of every face [S], (3, padded); an array of this object."""
        self._conductance(self.grid, exchanged, self.factor, previous_phi, use_smaller_side,
                          self.z, self.diffusion, self.conductance)
        return self.conductance

    def move(self, exchanged: Array, phi: Array, previous_phi: Array,
             use_smaller_side: Array) -> Array:
        """Return what voxels gain, (components, padded) [mol/s]; an array of this object."""
        self._gain(self.grid, exchanged, self.factor, phi, previous_phi, use_smaller_side, self.z,
                   self.diffusion, self.nu, self.gained)
        return self.gained

    def conductivity(self, exchanged: Array) -> Array:
        """Return the conductivity along the clay, padded [S/m], at 25 C."""
        return self.mobility * self.weighted_sum(self.weights, exchanged)

    def carry(self, domain: Domain, parts: Sequence[tuple[Array, Array]],
              drives: tuple[Array, Array, Array], voxel: np.ndarray, drift: Array, rate: Array
              ) -> tuple[list[Array], float]:
        """Add to `gained` what voxels gain; return (what leaves by faces, emptying rate [1/s]).

        parts: (exchanged, gained) of the clay of either water; drives: phi, previous_phi and
        use_smaller_side as in `move`; voxel: (n,) of boundary faces; drift: (n,) G F/(RT) times the
        voltage from voxel to tank [m]; rate: scratch. The first is (components, n) [mol/s] a part.
        """
        leaves, cached = [], domain.backend.cached
        for exchanged, gained in parts:
            leaves.append(cached(self.nu.T) @ (cached((self.z * self.diffusion)[:, None])
                                               * domain.take(exchanged, voxel) * drift))
            self.accumulate(self.grid, self.move(exchanged, *drives), 1.0, gained)
        rate[...] = 0.0
        domain.add_at(rate, voxel, np.maximum(drift, 0.0))
        return leaves, domain.max(self.emptying_rate(drives[0], rate))

    def emptying_rate(self, phi: Array, out: Array) -> Array:
        """Set `out` to the rate at which the fastest cation could leave a voxel, padded [1/s].

        phi: padded, reduced; what `out` holds is the drift [m] that leaves by boundary faces.
        """
        inner, fastest = self.grid.inner, float((self.z * self.diffusion).max(initial=0.0))
        for axis in range(3):
            drift = F_RT * geometric_conductance(of_axis(self.factor, axis), self.grid, axis) * (
                below(phi, axis) - above(phi, axis))
            lower, upper = ends(drift, axis)
            out[inner] += np.maximum(upper, 0.0) + np.maximum(-lower, 0.0)
        out[inner] *= fastest / self.grid.voxel_volume
        return out

    @staticmethod
    def flag_turns(phi: Array, previous_phi: Array, conductance: Array, use_smaller_side: Array,
                   flagged: Array) -> None:
        """Flag faces, too, whose drift turned at all: no diffusion helps those who leave by it."""
        for axis in range(3):
            u = below(phi, axis) - above(phi, axis)
            old = below(previous_phi, axis) - above(previous_phi, axis)
            turned = (u * old <= 0) & (F_RT * np.abs(u) > TURNED)
            turned &= (faces(conductance[axis], axis) > 0) & (
                faces(use_smaller_side[axis], axis) == 0)
            faces(flagged[axis], axis)[...] |= turned


def exchange_diffusion(chem: ChemicalSystem) -> np.ndarray:
    """Return D of the free ion of every exchange species [m2/s]; 0 where the water has none."""
    found = np.zeros(len(chem.z_x))
    for n, row in enumerate(chem.nu_x):
        alike = (chem.nu == row).all(axis=1) & (chem.z == chem.z_x[n])
        found[n] = chem.diffusion[alike].max(initial=0.0)
    return found
