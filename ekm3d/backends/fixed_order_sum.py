"""Weighted sums over the leading axis with a fixed order of additions, the same in every column.

BLAS, einsum and np.sum group additions by the shape of the whole array, so that a voxel's last
digit would depend on the number of voxels beside it: on the decomposition. Here the terms are added
one after the other, in every column alike.
"""

import numpy as np

from ekm3d.grid.grid import Array


class WeightedSum:
    """Product weights (R, J) @ array (J, ...) -> (R, ...); terms of weight 0 are left out."""

    def __init__(self, weights: np.ndarray) -> None:
        weights = np.atleast_2d(np.asarray(weights, float))
        self.count = len(weights)
        self.terms = []                     # (j, rows with a weight, their weights)
        for j in range(weights.shape[1]):
            rows = np.flatnonzero(weights[:, j])
            if rows.size:
                self.terms.append((j, _slice(rows), weights[rows, j]))

    def __call__(self, array: Array) -> Array:
        out = np.zeros((self.count, *array.shape[1:]))
        for j, rows, weight in self.terms:
            out[rows] += weight.reshape(-1, *(1,) * (array.ndim - 1)) * array[j]
        return out


def _slice(rows):
    """Sorted indices as a slice if they have no gap."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def sum_rows(array: np.ndarray) -> np.ndarray:
    """Return the sum (...) over the leading axis of an array (n, ...), row after row."""
    out = np.zeros(array.shape[1:])
    for row in array:
        out += row
    return out
