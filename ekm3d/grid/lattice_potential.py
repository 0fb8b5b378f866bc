"""Potential of a source in one voxel of an endless uniform grid, and of a line in the continuum.

    sum over the six faces of c_a (K(0) - K(neighbours)) = 1 at the source, 0 elsewhere
    K(n) = int_0^inf prod_a exp(-2 c_a t) I_|n_a|(2 c_a t) dt,     c_a = face area / spacing  [m]

I_n: modified Bessel functions (the walk on a lattice in continuous time, Montroll and Weiss 1965).
Per unit of current and conductivity [1/m]; far away it is 1/(4 pi r). On a cubic grid
K(0) = 0.25273 / h (Watson 1939).
"""

import numpy as np

STEP = 0.2                              # of ln t: the sum over it is exact to rounding
SPREAD = np.arange(-32.0, 40.0, STEP)   # ln of t over its scale


def lattice_potential(offsets: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Return K [1/m] at offsets (n, 3) of whole voxels along x, y, z; spacing: (3,) m."""
    offsets = np.abs(np.asarray(offsets, int))
    if not len(offsets):
        return np.zeros(0)
    conductance = np.prod(spacing) / np.asarray(spacing, float) ** 2
    t = np.exp(SPREAD) / conductance.max()
    product = np.ones((len(offsets), t.size))
    for a in range(3):
        orders, at = np.unique(offsets[:, a], return_inverse=True)
        product *= _bessel(orders[:, None], 2.0 * conductance[a] * t)[at.ravel()]
    # Beyond the last t every factor is 1 / sqrt(4 pi c t).
    tail = 2.0 * t[-1] / np.prod(np.sqrt(4.0 * np.pi * conductance * t[-1]))
    weight = np.full(t.size, STEP)
    weight[-1] *= 0.5
    return (product * (weight * t)).sum(1) + tail


def _bessel(n: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return exp(-x) I_n(x); for large x its expansion, where SciPy's has no digit left."""
    from scipy.special import ive  # imported here: it costs 0.1 s

    order, far = 4.0 * n * n, x > 1e3 * (1.0 + n * n)
    first = (order - 1.0) / (8.0 * x)
    expansion = (1.0 - first * (1.0 - (order - 9.0) / (16.0 * x))) / np.sqrt(2.0 * np.pi * x)
    return np.where(far, expansion, ive(n, np.where(far, 1.0, x)))


def line_potential(points: np.ndarray, begin: np.ndarray, end: np.ndarray,
                   radius: np.ndarray | float) -> np.ndarray:
    """Return the potential [1/m] of lines that give a unit of current each, evenly; broadcast.

    points, begin, end: (..., 3) m; radius: of the surface on which a point of the axis lies [m].
    """
    length = np.linalg.norm(end - begin, axis=-1)
    both = sum(np.sqrt(((points - p) ** 2).sum(-1) + radius ** 2) for p in (begin, end))
    return np.log((both + length) / (both - length)) / (4.0 * np.pi * length)
