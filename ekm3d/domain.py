"""The part of the grid that this process works on: here, all of it.

The physics asks the domain for what needs more than one voxel's neighbourhood: ghosts
filled from elsewhere, and sums, dot products and maxima over the whole block.
"""

import numpy as np


class Domain:
    """One process, the whole block; its ghosts are closed, so `fill` has nothing to bring."""

    def __init__(self, grid):
        self.grid = grid

    def fill(self, *arrays):
        """Bring the ghosts of padded arrays up to date."""

    def sum(self, array):
        """Sum over the inner voxels."""
        return float(np.sum(array[self.grid.inner]))

    def total(self, rows):
        """Sum of one number per row of voxels, (nz, ny), in an order fixed by the grid alone.

        Every layer is added up by itself, then the layers: whoever held which of them, the
        result is the same to the last bit.
        """
        return float(np.sum(np.sum(rows, axis=1)))

    def dot(self, a, b):
        """Sum of a b over all voxels of two padded arrays whose ghosts are zero."""
        return float(np.einsum("i,i", a.ravel(), b.ravel()))

    def max(self, array):
        """Largest value of an array of any shape."""
        return float(np.max(array)) if array.size else -np.inf
