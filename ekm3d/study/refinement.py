"""Refinement of the grid: observed order of convergence, and the value on an infinitely fine grid.

    f(h) = f_0 + C h^p

with the width h of a voxel, from the three finest grids: p from (f_3 - f_2) / (f_2 - f_1), and
f_0 from the two finest, which is Richardson's extrapolation. The error of the finest grid is
|f_1 - f_0| times 1.25, the factor that Roache (1997, Annu. Rev. Fluid Mech. 29, 123) advises for
three grids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

SAFETY = 1.25
ORDERS = (0.05, 12.0)       # the range in which an order is looked for
ROUNDING = 1e-9             # share of a value below which differences are those of the solvers


@dataclass(frozen=True)
class Refinement:
    """Result of a refinement; what is not known is None, and `remark` says why."""

    order: float | None = None
    limit: float | None = None
    error: float | None = None      # of the finest grid, in the value's unit
    remark: str = ""


def refine(widths: Sequence[float], found: Sequence[float]) -> Refinement:
    """Return what the values on grids of these voxel widths [any unit] tell, in any order.

    Grids whose value is NaN do not count.
    """
    pairs = sorted((h, f) for h, f in zip(widths, found, strict=True) if np.isfinite(f))
    if len({h for h, _ in pairs}) < 3:
        return Refinement(remark="three grids give an order; there are fewer")
    if len({h for h, _ in pairs[:3]}) < 3:
        return Refinement(remark="runs on one grid; vary grid.spacing alone")
    (h1, f1), (h2, f2), (h3, f3) = pairs[:3]
    fine, coarse = f2 - f1, f3 - f2
    if max(abs(fine), abs(coarse)) <= ROUNDING * abs(f1):
        return Refinement(limit=f1, error=0.0, remark="the same on all grids")
    if fine == 0.0 or coarse / fine <= 0.0:
        return Refinement(remark="not monotone: these grids show no order")

    def excess(p: float) -> float:
        return (h3**p - h2**p) / (h2**p - h1**p) - coarse / fine
    if excess(ORDERS[0]) * excess(ORDERS[1]) > 0.0:
        return Refinement(remark="does not converge on these grids")
    order = float(brentq(excess, *ORDERS))
    limit = f1 - fine * h1**order / (h2**order - h1**order)
    return Refinement(order, limit, SAFETY * abs(f1 - limit))


def widths(spacings: Sequence[Sequence[float]]) -> list[float]:
    """Return one width for every grid: the geometric mean over the axes that are refined.

    spacings: (dx, dy, dz) of every grid.
    """
    spacing = np.asarray(spacings, float)
    refined = np.ptp(spacing, axis=0) > 1e-9 * spacing.max(axis=0)
    if not refined.any():
        return [1.0] * len(spacing)
    return [float(h) for h in np.exp(np.log(spacing[:, refined]).mean(axis=1))]
