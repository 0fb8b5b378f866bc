"""Gaussian elimination of many small systems that share one pattern of zeros.

No pivoting: the caller orders rows and columns so that the diagonal is sound. Where entries can
be other than 0 is worked out once, with the fill-in, so that the systems of sparse chemistry
cost a fraction of the dense N^3/3. What is left is a list of multiplications and subtractions at
fixed places, the same for every system: here over whole arrays, one system's by a thread just so.
"""

import numpy as np


class Elimination:
    """Solves A x = b for every voxel, A of one pattern (N, N) of possible nonzeros.

    Attributes: pattern, and fill (N, N): the pattern with what elimination adds to it.
    """

    def __init__(self, pattern):
        self.pattern, self.fill = pattern, np.array(pattern, bool)
        fill = self.fill
        size = len(fill)
        self.size, self.below, self.right = size, [], []
        for p in range(size):
            rows = p + 1 + np.flatnonzero(fill[p + 1:, p])
            columns = p + 1 + np.flatnonzero(fill[p, p + 1:])
            fill[np.ix_(rows, columns)] = True
            self.below.append(_runs(rows))
            self.right.append(_runs(np.append(columns, size)))

    def solve(self, A, skip=()):
        """x (N, n) of A (N, N + 1, n), which holds b as its last column and is overwritten.

        Pivots in `skip` are known to have nothing below them.
        """
        for p in range(self.size):
            if p in skip:
                continue
            reciprocal = 1.0 / A[p, p]
            for rows in self.below[p]:
                factor = A[rows, p] * reciprocal
                for columns in self.right[p]:
                    A[rows, columns] -= factor[:, None] * A[p, columns]
        x = A[:, -1]
        for p in reversed(range(self.size)):
            for columns in self.right[p]:
                for c in range(columns.start, min(columns.stop, self.size)):
                    x[p] -= A[p, c] * x[c]
            x[p] /= A[p, p]
        return x


def _runs(indices):
    """Slices that cover sorted indices, gaps of one included: fewer, longer operations."""
    groups = np.split(indices, 1 + np.flatnonzero(np.diff(indices) > 2)) if len(indices) else []
    return [slice(int(group[0]), int(group[-1]) + 1) for group in groups]


def order_of(pattern, first, last):
    """Elimination order: `first`, the others by growing number of neighbours, `last`."""
    links = pattern | pattern.T
    order = list(first)
    for p in first:
        links |= np.outer(links[:, p], links[p])
    rest = [p for p in range(len(links)) if p not in first and p not in last]
    while rest:
        later = rest + last
        p = min(rest, key=lambda q: links[q, later].sum())
        rest.remove(p)
        order.append(p)
        links |= np.outer(links[:, p], links[p])
    return order + last
