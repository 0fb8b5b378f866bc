"""Numerical options of potential and transport."""

from dataclasses import dataclass

from ekm3d.grid.grid import Array


@dataclass(frozen=True)
class NumericalOptions:
    """Settings of the numerical scheme, and fields given in place of computed ones."""

    overpotential: float         # of all electrodes together, taken from the supply's voltage  [V]
    tolerance: float             # relative residual at which the elliptic solver stops         [1]
    cfl: float                   # share of the longest step that keeps species positive        [1]
    blend: float                 # face concentrations: 1 blended, 0 first-order upwind         [1]
    sweeps: int                  # least number of potential solves per step, each with face
    #                              concentrations of the newest potential
    conductivity: Array = None   # padded, electric, in place of that of the ions; or None   [S/m]
    source: Array = None         # padded current source, or None                           [A/m3]
    inverse_temperature: float = 1.0    # 298.15 K / T, of F/(RT) over that of 25 C            [1]
