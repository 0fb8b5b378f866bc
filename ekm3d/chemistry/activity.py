"""Activity coefficients: Davies, extended Debye-Hueckel (WATEQ) and ideal, in one form.

    log10 gamma_s = -A z_s^2 sqrt I / (1 + b_s sqrt I) + d_s I,      I = 1/2 sum z^2 c  [mol/l]

b = 1 and d = 0.3 A z^2 is Davies (1962); b = B a and d of its own for each ion is Truesdell and
Jones (1974), as WATEQ and PHREEQC use it; A = d = 0 is ideal; z = 0 leaves d I alone. Species
of equal b share a column, so a system with Davies only has two columns.
"""

import numpy as np

from ekm3d.chemistry.system import ChemicalSystem

LN10 = np.log(10.0)


class Activity:
    """Activity coefficients of the S species: -ln gamma = action @ factors(I)."""

    def __init__(self, chem: ChemicalSystem):
        charged = chem.debye_A * chem.z**2
        sizes = np.unique(chem.size[charged != 0])
        own = charged[:, None] * (chem.size[:, None] == sizes)
        self.sizes = sizes[:, None]
        self.action = LN10 * np.column_stack([own, -chem.linear])     # (S, sizes + 1)

    def factors(self, strength: np.ndarray) -> np.ndarray:
        """Return the functions of I (sizes + 1, n) of which -ln gamma is a sum; I (n,) in mol/l."""
        root = np.sqrt(strength)
        return np.vstack([root / (1 + self.sizes * root), strength])

    def slopes(self, strength: np.ndarray) -> np.ndarray:
        """Return d factors / d ln I, (sizes + 1, n), at I (n,) in mol/l."""
        root = np.sqrt(strength)
        return np.vstack([0.5 * root / (1 + self.sizes * root) ** 2, strength])
