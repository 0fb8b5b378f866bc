"""Water without reactions: what is dissolved is the total.

The engine of a case whose chemistry is switched off; it answers like `Equilibrium`.
"""

import numpy as np

from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.chemistry.equilibrium import Result, Sites, SolverStats, VoxelSolver


class NonReactive(VoxelSolver):
    """Every component is one species; no complexes, no exchanger, no minerals."""

    def __init__(self, chem, backend=None):
        if len(chem.species) != len(chem.components) or chem.exchange or chem.minerals \
                or chem.gases:
            raise ValueError("physics.chemistry = false: the database must hold components only, "
                             "without species, exchange, minerals or gases")
        super().__init__(chem, backend)

    def solve_numpy(self, total, theta, sites=Sites(), warm_start=None):
        """c = total / theta; (K, n) -> Result of n voxels."""
        c, n = total / theta, total.shape[1]
        pH, h = np.full(n, np.nan), self.chem.hydrogen
        if h is not None:
            pH = -np.log10(np.maximum(c[h], 1e-300) / 1e3)
        none = np.zeros((0, n))
        return Result(c=c, exchanged=none, solid=none, site=np.zeros(n),
                      ionic_strength=WeightedSum(0.5e-3 * self.chem.z**2)(c)[0],
                      water_activity=np.ones(n), pH=pH, warm_start=np.zeros((self.chem.unknowns, n)),
                      iterations=np.zeros(n, int), converged=np.ones(n, bool),
                      gas=none, restarts=np.zeros(n, int))

    def solve(self, state, where, elapsed=None):
        """The same in place, with the backend's arrays."""
        c = state.total[..., where] / state.theta[where]
        state.c[..., where] = c
        h = self.chem.hydrogen
        state.pH[where] = np.nan if h is None else -np.log10(np.maximum(c[h], 1e-300) / 1e3)
        state.strength[where] = self.backend.weighted_sum(0.5e-3 * self.chem.z**2, c)
        none = np.zeros(0, int)
        return SolverStats(self.backend.zeros(where.size, np.int32), none, none)
