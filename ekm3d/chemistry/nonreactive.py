"""Non-reactive water: dissolved species equal the totals; chemistry is switched off.

Solver of the same interface as `EquilibriumSolver`.
"""

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.chemistry.chemical_state import Array, ChemicalState
from ekm3d.chemistry.ion_exchange import NO_SITES, Sites
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.chemistry.voxel_solver import Result, SolverStats, VoxelSolver
from ekm3d.errors import InputError


class NonReactive(VoxelSolver):
    """Every component is one species; no complexes, no exchanger, no minerals."""

    def __init__(self, chem: ChemicalSystem, backend: Backend | None = None):
        """Raise InputError where the system holds more than components."""
        if len(chem.species) != len(chem.components) or chem.exchange or chem.minerals \
                or chem.gases:
            raise InputError("physics.chemistry = false: the database must hold components only, "
                             "without species, exchange, minerals or gases")
        super().__init__(chem, backend)

    def solve_numpy(self, total: np.ndarray, theta: np.ndarray | float, sites: Sites = NO_SITES,
                    warm_start: np.ndarray | None = None) -> Result:
        """Return c = total / theta of n voxels; total (K, n) mol/m3 of bulk."""
        c, n = total / theta, total.shape[1]
        pH, h = np.full(n, np.nan), self.chem.hydrogen
        if h is not None:
            pH = -np.log10(np.maximum(c[h], 1e-300) / 1e3)
        none = np.zeros((0, n))
        return Result(c=c, exchanged=none, solid=none, site=np.zeros(n),
                      ionic_strength=WeightedSum(0.5e-3 * self.chem.z**2)(c)[0],
                      water_activity=np.ones(n), pH=pH,
                      warm_start=np.zeros((self.chem.unknowns, n)),
                      iterations=np.zeros(n, int), converged=np.ones(n, bool),
                      gas=none, restarts=np.zeros(n, int))

    def solve(self, state: ChemicalState, where: Array,
              elapsed: float | None = None) -> SolverStats:
        """Set c, pH and ionic strength of the voxels with flat indices `where` (n,) in place."""
        c = state.total[..., where] / state.theta[where]
        state.c[..., where] = c
        h = self.chem.hydrogen
        state.pH[where] = np.nan if h is None else -np.log10(np.maximum(c[h], 1e-300) / 1e3)
        state.strength[where] = self.backend.weighted_sum(0.5e-3 * self.chem.z**2, c)
        none = np.zeros(0, int)
        return SolverStats(self.backend.zeros(where.size, np.int32), none, none)
