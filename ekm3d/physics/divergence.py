"""Finite-volume balance of a voxel: source and flux divergence, and the explicit update.

    f = a x + given - div flow          source term of an elliptic equation             [A, m3/s]
    T(t + dt) = T + (dt/V) gain         explicit in time                                [mol/m3]
"""

from ekm3d.backends.base import operator
from ekm3d.grid.stencil import faces, gain


@operator
def source_minus_divergence(g, amount, given, flow, factor, f):
    """Compute f = factor amount + given - div flow.

    amount, given: padded; flow: (3, padded) across faces, up the axis, in the units of f; factor:
    units of f per unit of amount. Output f: padded, inner voxels are written.
    """
    f[g.inner] = factor * amount[g.inner] + given[g.inner]
    for axis in range(3):
        f[g.inner] += gain(faces(flow[axis], axis), axis)


@operator
def accumulate(g, gained, share, total):
    """Add share gained to total; both (components, padded), inner voxels are written."""
    total[g.inner] += share * gained[g.inner]
