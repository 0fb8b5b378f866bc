"""Ionic properties per voxel: conductivity, retarded pore turnover, charge imbalance.

    sigma = F (F/RT) m sum_s z_s^2 D_s c_s,                 m = theta tau f(I)              [S/m]
    turnover = dt / (theta V R),        1/R = free / (free + held), by charge             [s/m3]
    imbalance = |rho| / (theta sum_s |z_s| c_s)             rho of all phases                [1]

free: dissolved ions, held: ions on the exchanger. Fronts of ions that an exchanger holds move R
times more slowly than the water's own.
"""

from typing import Any

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.backends.scratch import OUTFLOW, Scratch
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import Array, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.physics.rock import Rock
from ekm3d.physics.surface_conduction import SurfaceConduction
from ekm3d.state import State, has_immobile_field, stores


@operator
def electrolyte(g, c, exchanged, transport_factor, water_content, z, diffusion, exchange_charge,
                dt, sigma, pore_turnover):
    """Compute conductivity sigma [S/m] and pore turnover dt / (theta V R) [s/m3] of every voxel.

    c: (species, padded) mol/m3 of water; exchanged: (exchange, padded) mol/m3 of rock;
    transport_factor: padded theta tau f(I); water_content: padded; z, diffusion [m2/s]:
    (species,); exchange_charge: charge of the exchange species, and one number more; dt: s. Inner
    voxels of sigma and pore_turnover are written; pore_turnover is 0 where no water is, R is 1
    where nothing is dissolved or held.
    """
    theta, water = water_content[g.inner], c[g.inner]
    sigma[g.inner] = FARADAY * F_RT * transport_factor[g.inner] * WeightedSum(
        z * z * diffusion)(water)[0]
    free = 0.5 * theta * WeightedSum(np.abs(z))(water)[0]
    both = free + WeightedSum(exchange_charge[:len(exchanged)])(exchanged[g.inner])[0]
    share = np.divide(free, both, out=np.ones_like(free), where=both > 0)
    pore_turnover[g.inner] = np.divide(dt * share, theta * g.voxel_volume,
                                       out=np.zeros_like(free), where=theta > 0)


@operator
def imbalance(g, c, charge, water_content, z, ratio):
    """Compute the net charge of every voxel relative to its dissolved ions  [1]; 0 without ions.

    c: (species, padded) mol/m3 of water; charge: padded mol/m3 of rock, over all phases. Inner
    voxels of ratio are written; what is not a number stays so.
    """
    ions = water_content[g.inner] * WeightedSum(np.abs(z))(c[g.inner])[0]
    ratio[g.inner] = np.divide(np.abs(charge[g.inner]), ions, out=np.zeros_like(ions),
                               where=~(ions <= 0))


class Electrolyte:
    """Ionic properties of all voxels.

    sigma: padded electric conductivity [S/m], of the last update, or as given.
    """

    def __init__(self, grid: Grid, backend: Backend, domain: Domain, chem: ChemicalSystem,
                 rock: Rock, given: Array | None = None, scratch: Scratch | None = None,
                 inverse_temperature: float = 1.0, clay: SurfaceConduction | None = None):
        """given: padded conductivity [S/m] in place of that of the ions; inverse_temperature:
        298.15 K / T; clay: conduction along it. Where species move through immobile water, sigma is
        that of both waters."""
        self.grid, self.backend, self.domain = grid, backend, domain
        self.rock, self.given, self.clay = rock, given, clay
        self.inverse_temperature = inverse_temperature
        self.z, self.diffusion = (np.ascontiguousarray(a, dtype=float)
                                  for a in (chem.z, chem.diffusion))
        self.diffusion = self.diffusion * inverse_temperature      # of F/(RT) in sigma
        self.exchange_charge = np.append(chem.z_x, [0.0])
        counts: dict[str, Any] = {
            "NS": len(self.z), "NX": len(chem.z_x), "NX1": len(self.exchange_charge)}
        self._electrolyte, self._imbalance = (
            backend.bind(op, **counts) for op in (electrolyte, imbalance))
        self.own = backend.zeros(grid.padded)
        self.ratio, self.other, self.unused, *_ = (scratch or Scratch(grid, backend))[OUTFLOW]
        self.sigma = self.own if given is None else given

    def update(self, s: State, dt: float) -> None:
        """Update sigma and s.pore_turnover of a coming step of dt [s] from the state as it is."""
        self._update(s, dt, s.pore_turnover,
                     s.immobile_turnover if has_immobile_field(s) else None)

    def conductivity(self, s: State) -> Array:
        """Return the electric conductivity of the state as it is, padded [S/m]."""
        self._update(s, 0.0, self.ratio, self.unused)
        return self.sigma

    def imbalance(self, s: State) -> float:
        """Return the largest net charge of a voxel over all phases, relative to dissolved ions.

        Of the moving and of the immobile water apart, each with its clay.
        """
        self._imbalance(self.grid, s.c, s.charge, self.rock.water_content, self.z, self.ratio)
        if has_immobile_field(s):
            self._imbalance(self.grid, s.immobile_c, s.immobile_charge, s.immobile_content, self.z,
                            self.other)
            np.maximum(self.ratio, self.other, out=self.ratio)
        return self.domain.max(self.ratio)

    def _update(self, s, dt, pore_turnover, still_turnover):
        self._electrolyte(self.grid, s.c, s.exchanged, s.transport_factor,
                          self.rock.water_content, self.z, self.diffusion, self.exchange_charge,
                          dt, self.own, pore_turnover)
        if has_immobile_field(s):
            self._electrolyte(self.grid, s.immobile_c, s.immobile_exchanged, s.immobile_factor,
                              s.immobile_content, self.z, self.diffusion, self.exchange_charge,
                              dt, self.other, still_turnover)
            self.own += self.other
        if self.clay is not None:
            still = ("immobile_exchanged",) if has_immobile_field(s) else ()
            for exchanged in stores(s, "exchanged", *still):
                self.own += self.inverse_temperature * self.clay.conductivity(exchanged)
