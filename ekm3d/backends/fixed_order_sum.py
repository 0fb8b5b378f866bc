"""Weighted sums over the leading axis with a fixed order of additions, the same in every column.

BLAS, einsum and np.sum group additions by the shape of the whole array, so that a voxel's last
digit would depend on the number of voxels beside it: on the decomposition. Here the terms are added
one after the other, in every column alike.
"""

import functools
import math
from typing import Any

import numpy as np

from ekm3d.grid.grid import Array

NARROW = 100        # numbers of a row, below which NumPy's loop over rows beats Python's (measured)
SMALL = 50_000      # terms of a sum that is done without SciPy, which takes 0.2 s to import,
FEW = 3000          # the first so many times: each costs some 15 us more
TINY = 5000         # terms of a sum that NumPy adds up in one call (measured)


class WeightedSum:
    """Product weights (R, J) @ array (J, ...) -> (R, ...); terms of weight 0 are left out.

    SciPy's product of a sparse matrix and an array adds weight times row to every row of the
    result in turn, in the order in which the matrix lists them: here that of the columns. The
    first small ones are added up in the same order by NumPy, all rows' first terms, then all second
    ones.
    """

    small_ones = 0          # so far, of all sums

    def __init__(self, weights: np.ndarray) -> None:
        weights = np.atleast_2d(np.asarray(weights, float))
        self.shape = weights.shape
        self.rows, self.columns = np.nonzero(weights)
        self.values = weights[self.rows, self.columns]
        self.begins = np.searchsorted(self.rows, np.arange(len(weights) + 1))
        self.longest = int(np.diff(self.begins).max(initial=0))

    def __call__(self, array: Array) -> Array:
        flat = array.reshape(len(array), math.prod(array.shape[1:]))
        small = self.shape[0] * self.longest * flat.shape[1] <= SMALL
        if small and WeightedSum.small_ones < FEW or not scipy_rounds_products():
            WeightedSum.small_ones += 1
            out = self._by_terms(flat)
        else:
            WeightedSum.small_ones = FEW
            out = self._matrix @ flat
        return out.reshape(self.shape[0], *array.shape[1:])

    @functools.cached_property
    def _matrix(self) -> Any:
        from scipy.sparse import csr_array  # imported here: it costs 0.2 s

        return csr_array((self.values, self.columns, self.begins), shape=self.shape)

    @functools.cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray]:
        """(terms, R) columns and (terms, R, 1) weights: the n-th of every row, then one of 0."""
        columns = np.full((self.longest, self.shape[0]), self.shape[1])
        weights = np.zeros((*columns.shape, 1))
        number = np.arange(self.rows.size) - self.begins[self.rows]
        columns[number, self.rows], weights[number, self.rows, 0] = self.columns, self.values
        return columns, weights

    def _by_terms(self, flat: np.ndarray) -> np.ndarray:
        """Product with an array (J, n) by NumPy."""
        columns, weights = self._terms
        rows = np.empty((len(flat) + 1, flat.shape[1]))
        rows[:-1], rows[-1] = flat, 0.0
        if 0 < columns.size * flat.shape[1] <= TINY:
            terms = weights * rows[columns]
            return np.add.accumulate(terms, axis=0)[-1] + 0.0       # -0.0 becomes 0.0
        out = np.zeros((self.shape[0], flat.shape[1]))
        for column, weight in zip(columns, weights, strict=True):
            out += weight * rows[column]
        return out


@functools.cache
def scipy_rounds_products() -> bool:
    """Tell whether SciPy rounds product and sum, as NumPy does; else it is not used.

    1 + e times 1 - e is 1 but for e squared, which a processor's fused operation would keep.
    """
    from scipy.sparse import csr_array  # imported here: it costs 0.2 s

    e = 2.0 ** -40
    return not (csr_array([[1.0, 1.0 + e]]) @ np.array([[-1.0], [1.0 - e]])).any()


def sum_rows(array: np.ndarray) -> np.ndarray:
    """Return the sum (...) over the leading axis of an array (n, ...), row after row."""
    if len(array) and array[0].size < NARROW:
        return np.add.accumulate(array, axis=0, dtype=float)[-1] + 0.0      # -0.0 becomes 0.0
    out = np.zeros(array.shape[1:])
    for row in array:
        out += row
    return out
