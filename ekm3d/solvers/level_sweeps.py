"""Sweeps of a multigrid cycle over one level: several steps of `multigrid` in one pass.

Their bits are those of the single steps. A processor keeps what lies between two steps in its
caches, and a level passes through memory half as often. x and y are the two buffers of a level: on
the way down y is written, on the way up x. All ghosts are zero, so that no level is cut.
"""

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.solvers.multigrid import (
    FIRST,
    SECOND,
    prolong,
    restrict_residual,
    smooth,
    smooth_and_sum,
    smooth_from_zero,
)


@operator
def presmooth_from_zero(g, coarse, face, coupling, inverse_diagonal, b, y, coarse_b):
    """y = both smoothing steps for A y = b from zero, coarse_b = R (b - A y); padded float32."""
    smooth_from_zero(g, face, coupling, inverse_diagonal, b, y)
    restrict_residual(g, coarse, face, coupling, b, y, coarse_b)


@operator
def presmooth(g, coarse, face, coupling, inverse_diagonal, b, x, y, coarse_b):
    """y = both smoothing steps for A y = b from x, coarse_b = R (b - A y); padded float32."""
    once = np.zeros_like(x)
    smooth(g, face, coupling, inverse_diagonal, b, x, FIRST, once)
    smooth(g, face, coupling, inverse_diagonal, b, once, SECOND, y)
    restrict_residual(g, coarse, face, coupling, b, y, coarse_b)


@operator
def postsmooth(g, coarse, face, coupling, inverse_diagonal, b, coarse_x, y, x):
    """x = both smoothing steps for A x = b from y + P coarse_x; padded float32."""
    operator_of_level = face, coupling, inverse_diagonal
    once = _corrected_and_smoothed(g, coarse, operator_of_level, b, coarse_x, y)
    smooth(g, *operator_of_level, b, once, SECOND, x)


@operator
def postsmooth_and_sum(g, coarse, face, coupling, inverse_diagonal, b, coarse_x, y, x, sums):
    """x as of `postsmooth`; sums (nz, ny, segments): b x added up over every segment, in float64.
    """
    operator_of_level = face, coupling, inverse_diagonal
    once = _corrected_and_smoothed(g, coarse, operator_of_level, b, coarse_x, y)
    smooth_and_sum(g, *operator_of_level, b, once, SECOND, x, sums)


def _corrected_and_smoothed(g, coarse, operator_of_level, b, coarse_x, y):
    """Return y + P coarse_x after the first smoothing step."""
    corrected, once = y.copy(), np.zeros_like(y)
    prolong(g, coarse, coarse_x, corrected)
    smooth(g, *operator_of_level, b, corrected, FIRST, once)
    return once
