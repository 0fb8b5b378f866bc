"""Stencil access in NumPy: neighbours across faces, ghosts included.

A face array has the padded shape; entry [k, j, i] of axis a is the face between voxel [k, j, i] and
its neighbour one step *up* that axis. `below` and `above` cut a padded array to the voxels on
either side of all faces of an axis that touch the inner box.
"""

import math

from ekm3d.grid.grid import GHOST, Array


def flat(array: Array) -> Array:
    """Return a view (..., n) of an array (..., nz, ny, nx), n all voxels, ghosts included."""
    return array.reshape(*array.shape[:-3], math.prod(array.shape[-3:]))


def _cut(array, axis, start, stop):
    """View of the inner box in the last three axes, except `axis`, which is cut to start:stop."""
    index = [slice(GHOST, -GHOST)] * 3
    index[axis] = slice(start, stop)
    return array[(Ellipsis, *index)]


def below(array: Array, axis: int, shift: int = 0) -> Array:
    """Return the voxels on the lower side of every face of `axis`: n + 1 along that axis.

    The first face is the one between the last lower ghost and the first voxel. `shift`
    moves the window up (+) or down (-) by whole voxels, at most GHOST - 1 of them.
    """
    return _cut(array, axis, GHOST - 1 + shift, array.shape[axis - 3] - GHOST + shift)


def above(array: Array, axis: int, shift: int = 0) -> Array:
    """Return the voxels on the upper side of the same faces."""
    return below(array, axis, 1 + shift)


def faces(array: Array, axis: int) -> Array:
    """Return the faces of `axis` themselves, which are stored with the voxel below them."""
    return below(array, axis)


def ends(face: Array, axis: int) -> tuple[Array, Array]:
    """Return the faces at the lower and at the upper end of every inner voxel along `axis`.

    `face` is a cut face array (n + 1 along `axis`); both results have the inner shape.
    """
    index = [slice(None)] * 3
    index[axis] = slice(0, -1)
    lower = face[(Ellipsis, *index)]
    index[axis] = slice(1, None)
    return lower, face[(Ellipsis, *index)]


def gain(face: Array, axis: int) -> Array:
    """Return inflow through the lower minus outflow through the upper face: f[lower] - f[upper]."""
    lower, upper = ends(face, axis)
    return lower - upper
