"""Water without reactions: what is dissolved is the total.

The engine of a case whose chemistry is switched off; it answers like `Equilibrium`.
"""

import numpy as np

from ekm3d.chemistry import Result, Sites


class Dissolved:
    """Every component is one species; no complexes, no exchanger, no minerals."""

    def __init__(self, chem):
        if len(chem.species) != len(chem.components) or chem.exchange or chem.minerals \
                or chem.gases:
            raise ValueError("physics.chemistry = false: the database must hold components only, "
                             "without species, exchange, minerals or gases")
        self.chem = chem

    def solve(self, total, theta, sites=Sites(), warm=None):
        """c = total / theta; (K, n) -> Result of n voxels."""
        c, n = total / theta, total.shape[1]
        pH, h = np.full(n, np.nan), self.chem.hydrogen
        if h is not None:
            pH = -np.log10(np.maximum(c[h], 1e-300) / 1e3)
        none = np.zeros((0, n))
        return Result(c=c, exchanged=none, solid=none, site=np.zeros(n),
                      ionic_strength=0.5e-3 * (self.chem.z**2 @ c), water_activity=np.ones(n),
                      pH=pH, warm=np.zeros((total.shape[0] + 3, n)),
                      iterations=np.zeros(n, int), converged=np.ones(n, bool),
                      gas=none, restarts=np.zeros(n, int))
