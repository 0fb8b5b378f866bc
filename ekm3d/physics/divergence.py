"""The budget of a voxel: what flows in through its faces, and what it then holds.

    f = a x + given - div flow          the source that an elliptic equation is left with  [A, m3/s]
    T(t + dt) = T + (dt/V) gain         explicit in time                                   [mol/m3]
"""

from ekm3d.backends.base import operator
from ekm3d.grid.stencil import faces, gain


@operator
def net_source(g, amount, given, flow, factor, f):
    """f = factor amount + given - div flow.

    amount, given: padded; flow: (3, padded) across faces, up the axis, in the units of f; factor:
    units of f per unit of amount. Output f: padded, inner voxels are written.
    """
    f[g.inner] = factor * amount[g.inner] + given[g.inner]
    for axis in range(3):
        f[g.inner] += gain(faces(flow[axis], axis), axis)


@operator
def collect(g, gained, share, total):
    """total += share gained; both (components, padded), inner voxels are written."""
    total[g.inner] += share * gained[g.inner]
