"""Weighted sums over the leading axis with a fixed order of additions, the same in every column.

BLAS, einsum and np.sum group additions by the shape of the whole array, so that a voxel's last
digit would depend on the number of voxels beside it: on the decomposition. Here the terms are added
one after the other, in every column alike.
"""

import numpy as np
from scipy.sparse import csr_array

from ekm3d.grid.grid import Array

NARROW = 100        # numbers of a row, below which NumPy's loop over rows beats Python's (measured)


class WeightedSum:
    """Product weights (R, J) @ array (J, ...) -> (R, ...); terms of weight 0 are left out.

    SciPy's product of a sparse matrix and an array adds weight times row to every row of the
    result in turn, in the order in which the matrix lists them: here that of the columns.
    """

    def __init__(self, weights: np.ndarray) -> None:
        weights = np.atleast_2d(np.asarray(weights, float))
        rows, columns = np.nonzero(weights)
        begins = np.searchsorted(rows, np.arange(len(weights) + 1))
        self.matrix = csr_array((weights[rows, columns], columns, begins), shape=weights.shape)

    def __call__(self, array: Array) -> Array:
        flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
        return (self.matrix @ flat).reshape(self.matrix.shape[0], *array.shape[1:])


def sum_rows(array: np.ndarray) -> np.ndarray:
    """Return the sum (...) over the leading axis of an array (n, ...), row after row."""
    if len(array) and array[0].size < NARROW:
        return np.add.accumulate(array, axis=0, dtype=float)[-1] + 0.0      # -0.0 becomes 0.0
    out = np.zeros(array.shape[1:])
    for row in array:
        out += row
    return out
