"""Chemistry of the ore after every transport step, and what the next step needs of it.

Totals are what the run stores; equilibrium turns them into species, exchanger and minerals.
Net charge of a voxel over all phases, rho = sum_k z_k T_k - CEC, is an audit: acidity is
transported like any component, so nothing here can repair it.
"""

import numpy as np

from ekm3d.chemistry import ChemistryError, Sites
from ekm3d.grid import GHOST
from ekm3d.stencil import flat


class Reactions:
    """Equilibrates all ore voxels; one verb."""

    def __init__(self, grid, chem, engine, rock, ore):
        """rock: padded rock arrays; ore: inner mask of the voxels that hold ore."""
        self.grid, self.chem, self.engine, self.rock = grid, chem, engine, rock
        mask = np.zeros(grid.padded, bool)
        mask[grid.inner] = ore
        self.voxels = np.flatnonzero(mask)
        self.theta = self._take(rock["water_content"])
        self.tau = self._take(rock["tortuosity"])
        self.sites = Sites(self._take(rock["cec"]), self._take(rock["cec_slope"]),
                           rock["reference_pH"])
        self.iterations = 0

    def _take(self, array):
        return flat(array)[..., self.voxels]

    def _put(self, array, values):
        flat(array)[..., self.voxels] = values

    def advance(self, s):
        """Species, exchanger and minerals in equilibrium with the totals at time t."""
        total = self._take(s.T)
        warm = self._take(s.warm) if s.step else None
        try:
            found = self.engine.solve(total, self.theta, self.sites, warm)
        except ChemistryError as error:
            error.args = (f"{error}; at {self._places(error.voxels[:3])}",)
            raise
        self.iterations = int(found.iterations.max(initial=0))
        self._put(s.c, found.c)
        self._put(s.exchanged, found.exchanged)
        self._put(s.solid, found.solid)
        self._put(s.warm, found.warm)
        self._put(s.pH, found.pH)
        self._put(s.mobility, self.theta * self.tau * self.chem.mobility(found.ionic_strength))
        self._put(s.charge, self.chem.charge @ total - self.sites.cec)

    def _places(self, numbers):
        """Centres [m] of the ore voxels with these numbers, as text."""
        places = []
        for n in numbers:
            index = np.unravel_index(self.voxels[n], self.grid.padded)
            z, y, x = (self.grid.centres(axis)[v - GHOST] for axis, v in enumerate(index))
            places.append(f"({x:.3f}, {y:.3f}, {z:.3f}) m")
        return ", ".join(places)
