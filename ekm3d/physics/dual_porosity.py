"""Immobile water: a store in every voxel beside the moving water, with first-order exchange.

    theta_im dC_im/dt = omega theta_im (C - C_im),      dT_im = -dT                 [mol/m3/s]

C are the dissolved totals of the components, all with one omega [1/s], so that the exchange
between two neutral waters is neutral. The immobile share of a voxel has the same share of its
clay, and an equilibrium of its own; minerals with a rate law lie beside the moving water only
(mobile-immobile model of Coats and Smith 1964, SPE J. 4, 73; van Genuchten and Wierenga 1976,
Soil Sci. Soc. Am. J. 40, 473). Water flows in the moving water only. Current, migration and
diffusion from voxel to voxel pass both waters side by side, under one potential (`potential`,
`transport`), or, with `field` off, the moving water alone.

Within a step both waters approach one another like two boxes without reactions, exactly:

    C_im gains  theta (C - C_im)/(theta + theta_im) (1 - exp(-omega (1 + theta_im/theta) dt))

and then the clays respond: first order in dt, and stable at any dt, as C and C_im stay between
their values before.
"""

from dataclasses import replace

import numpy as np

from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.chemistry.voxel_solver import ChemistryError, VoxelSolver
from ekm3d.grid.grid import Array
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.rock import Rock
from ekm3d.state import State


class DualPorosity:
    """Immobile water of all ore voxels; its content is the state's: s.immobile and its parts."""

    def __init__(self, voxels: OreVoxels, chem: ChemicalSystem, rock: Rock, share: Array,
                 rate: Array, engine: VoxelSolver, still: Array | None = None,
                 field: bool = False, tortuosity: Array | None = None):
        """share, rate [1/s]: (n,) of the ore voxels; rock: of the moving part; engine: solver;
        still: padded content of the immobile water, None where it is a share of all; field: True
        where species move through it; tortuosity: (n,), None: that of the rock."""
        self.voxels, self.chem, self.rock, self.domain = voxels, chem, rock, voxels.domain
        self.weighted_sum = voxels.backend.weighted_sum
        self.share, self.rate, self.engine = share, rate, engine
        self.field, self.tortuosity = field, tortuosity
        self.factor = share / (1.0 - share)          # immobile amount per amount of the moving part
        self.still = None if still is None else voxels.take(still)
        self.last_totals = self.warm_start = None

    def start(self, s: State) -> None:
        """Move the immobile share out of the totals, which contain it; both waters are alike."""
        whole = self.voxels.take(s.totals)
        self.voxels.put(s.totals, whole * (1.0 - self.share))
        self.voxels.put(s.immobile, whole * self.share)
        self._equilibrate(s)

    def advance(self, s: State, dt: float) -> None:
        """Advance the totals of both parts from t to t + dt; s.c must be that of s.totals."""
        moving, still = self.voxels.take(s.totals), self.voxels.take(s.immobile)
        self.equilibrate(s)
        theta, c = self.voxels.take(self.rock.water_content), self.voxels.take(s.c)
        factor, moves = self.factor, 1.0 - self.share
        if self.still is not None:
            factor = self.still / theta
            moves = 1.0 / (1.0 + factor)
        dissolved = theta * factor * self.weighted_sum(self.chem.nu.T, c)
        away = dissolved - self.voxels.take(s.immobile_water)
        gain = away * moves * -np.expm1(-self.rate * (1.0 + factor) * dt)
        self.voxels.put(s.totals, moving - gain)
        self.voxels.put(s.immobile, still + gain)
        self._equilibrate(s)

    def equilibrate(self, s: State) -> None:
        """Bring the immobile water into equilibrium with its totals, where they have changed."""
        if self.last_totals is None or not (self.last_totals == self.voxels.take(s.immobile)).all():
            self._equilibrate(s)

    def _equilibrate(self, s):
        """Solve for the species of the immobile totals."""
        total, chem = self.voxels.take(s.immobile), self.chem
        theta = self.still if self.still is not None else (
            self.factor * self.voxels.take(self.rock.water_content))
        wet = theta > 0
        theta = np.where(wet, theta, 1.0)  # no water: 1.0 avoids a division by 0, masked below
        sites = self.voxels.sites(self.rock, slow=True)
        sites = replace(sites, cec=self.factor * sites.cec, slope=self.factor * sites.slope)
        with self.domain.collective_errors(ChemistryError):
            try:
                found = self.engine.solve_list(total, theta, sites, self.warm_start)
            except ChemistryError as error:
                error.args = (f"immobile water: {error}; at "
                              f"{self.voxels.places(error.voxels[:3])}",)
                raise
        self.warm_start = found.warm_start
        if chem.gases:
            taken = wet * self.weighted_sum(chem.nu_g.T, found.gas)
            total = total + taken
            self.voxels.put(s.immobile, total)
            s.gas_uptake[...] += self.voxels.total(taken) * self.voxels.grid.voxel_volume
        self.last_totals = total
        self.voxels.put(s.immobile_water, wet * theta * self.weighted_sum(chem.nu.T, found.c))
        self.voxels.put(s.immobile_exchanged, found.exchanged)
        self.voxels.put(s.immobile_solid, found.solid)
        if self.field:
            self._set_carriers(s, total, np.where(wet, theta, 0.0), sites, found)

    def _set_carriers(self, s, total, theta, sites, found):
        """Set what carries current and moves in the immobile water, and its net charge."""
        put, chem = self.voxels.put, self.chem
        tau = self.tortuosity if self.tortuosity is not None else self.voxels.take(
            self.rock.tortuosity)
        mobility = 1 / (1 + chem.mobility_coefficient * np.sqrt(found.strength))
        put(s.immobile_c, found.c)
        put(s.immobile_content, theta)
        put(s.immobile_factor, theta * tau * mobility)
        charge = self.weighted_sum(np.asarray(chem.charge, float), total)
        cec = sites.cec.reshape(-1, theta.size)
        put(s.immobile_charge, charge - self.weighted_sum(np.ones(len(cec)), cec))
