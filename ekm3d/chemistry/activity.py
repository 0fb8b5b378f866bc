"""Activity coefficients: Davies, extended Debye-Hueckel (WATEQ, LLNL) and ideal, in one form.

    log10 gamma_s = -A_s z_s^2 sqrt I / (1 + b_s sqrt I) + d_s I + e_s I / (1 + I),

    I = 1/2 sum z^2 c  [mol/l]

b = 1 and d = 0.3 A z^2 is Davies (1962); b = B a and d of its own for each ion is Truesdell and
Jones (1974), as WATEQ and PHREEQC use it; d the same for all ions ("B dot") is Helgeson (1969), as
LLNL's data use it; e is that of CO2 in NaCl by Drummond (1981); A = d = 0 is ideal; z = 0 leaves
d I + e I/(1 + I) alone. Species of equal b share a column, so a system with Davies only has two.
Exchange species may have coefficients, too, of the same form with z the sites that they take.
"""

import numpy as np

from ekm3d.chemistry.system import ChemicalSystem

LN10 = np.log(10.0)


class Activity:
    """Activity coefficients: -ln gamma = action @ factors(I) of the S species.

    exchange (E, columns): the same of the exchange species; sizes: b of the columns of roots;
    saturates: True where a column I/(1 + I) follows these. The last is I.
    """

    def __init__(self, chem: ChemicalSystem):
        S, E = len(chem.species), len(chem.exchange)
        none = np.zeros(E)
        debye_x, size_x, linear_x = (values if len(values) else none for values in (
            chem.debye_x, chem.size_x, chem.linear_x))
        charged = np.append(chem.debye_A * chem.z**2, debye_x * chem.z_x**2)
        size, linear = np.append(chem.size, size_x), np.append(chem.linear, linear_x)
        sizes = np.unique(size[charged != 0])
        columns = [charged[:, None] * (size[:, None] == sizes)]
        self.saturates = bool(np.any(chem.saturating))
        if self.saturates:
            columns.append(-np.append(chem.saturating, none)[:, None])
        self.sizes = sizes[:, None]
        action = LN10 * np.column_stack([*columns, -linear])
        self.action, self.exchange = action[:S], action[S:]

    def factors(self, strength: np.ndarray) -> np.ndarray:
        """Return the functions of I (columns, n) of which -ln gamma is a sum; I (n,) in mol/l."""
        root = np.sqrt(strength)
        curved = [strength / (1 + strength)] * self.saturates
        return np.vstack([root / (1 + self.sizes * root), *curved, strength])

    def slopes(self, strength: np.ndarray) -> np.ndarray:
        """Return d factors / d ln I, (columns, n), at I (n,) in mol/l."""
        root = np.sqrt(strength)
        curved = [strength / (1 + strength) ** 2] * self.saturates
        return np.vstack([0.5 * root / (1 + self.sizes * root) ** 2, *curved, strength])
