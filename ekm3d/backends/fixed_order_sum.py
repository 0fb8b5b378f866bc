"""Weighted sums over the leading axis whose bits do not depend on the other columns.

BLAS, einsum and np.sum group additions by the shape of the whole array, so that a voxel's last
digit would depend on how many others are worked out beside it: on how ranks share the voxels.
Here the terms are added one after the other, in every column alike.
"""

import numpy as np


class WeightedSum:
    """weights (R, J) @ array (J, ...) -> (R, ...); terms of weight 0 are left out."""

    def __init__(self, weights):
        weights = np.atleast_2d(np.asarray(weights, float))
        self.count, self.terms = len(weights), []
        for j in range(weights.shape[1]):
            rows = np.flatnonzero(weights[:, j])
            if rows.size:
                self.terms.append((j, _slice(rows), weights[rows, j]))

    def __call__(self, array):
        out = np.zeros((self.count, *array.shape[1:]))
        for j, rows, by in self.terms:
            out[rows] += by.reshape(-1, *(1,) * (array.ndim - 1)) * array[j]
        return out


def _slice(rows):
    """Sorted indices as a slice where they have no gap."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def added(array):
    """Sum over the leading axis."""
    out = np.zeros(array.shape[1:])
    for row in array:
        out += row
    return out
