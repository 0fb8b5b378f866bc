"""LU with a static pattern, no pivoting: many small systems that share one pattern of zeros.

The caller orders rows and columns so that the diagonal is sound. The symbolic factorisation,
fill-in included, is done once, so that the systems of sparse chemistry cost a fraction of the
dense N^3/3. The numerical one is a list of multiplications and subtractions at fixed places, the
same for every system: here over whole arrays, in compiled code one system per thread.
"""

from collections.abc import Collection

import numpy as np

FEW = 4             # systems that are quicker solved number by number (measured)


class SparseLU:
    """Solver of A x = b for many voxels, A of one pattern (N, N) of possible nonzeros.

    Attributes: pattern, and fill (N, N): the pattern with the fill-in of the elimination.
    """

    def __init__(self, pattern: np.ndarray):
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
        self.rows_below, self.columns_right = (
            [[i for run in runs for i in range(run.start, run.stop)] for runs in of_pivots]
            for of_pivots in (self.below, self.right))

    def solve(self, A: np.ndarray, skip: Collection[int] = ()) -> np.ndarray:
        """Return x (N, n) of A (N, N + 1, n), which holds b as its last column; may overwrite A.

        skip: pivots that are known to have zeros below them.
        """
        if A.shape[-1] <= FEW:
            return self._solve_few(A, skip)
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

    def _solve_few(self, A, skip):
        """The same operations on the numbers of one system after the other."""
        size = self.size
        x = np.empty((size, A.shape[-1]))
        for system in range(A.shape[-1]):
            rows = A[:, :, system].tolist()
            for p in range(size):
                if p in skip:
                    continue
                pivot = rows[p]
                reciprocal = _over(1.0, pivot[p])
                for r in self.rows_below[p]:
                    row = rows[r]
                    factor = row[p] * reciprocal
                    for c in self.columns_right[p]:
                        row[c] -= factor * pivot[c]
            found = [row[-1] for row in rows]
            for p in reversed(range(size)):
                row = rows[p]
                for c in self.columns_right[p][:-1]:
                    found[p] -= row[c] * found[c]
                found[p] = _over(found[p], row[p])
            x[:, system] = found
        return x


def _over(a, b):
    """Return a / b as NumPy has it, by 0 too."""
    return a / b if b else float(np.float64(a) / np.float64(b))


def _runs(indices):
    """Slices that cover sorted indices, gaps of one included: fewer, longer operations."""
    groups = np.split(indices, 1 + np.flatnonzero(np.diff(indices) > 2)) if len(indices) else []
    return [slice(int(group[0]), int(group[-1]) + 1) for group in groups]


def elimination_order(pattern: np.ndarray, first: list[int], last: list[int]) -> list[int]:
    """Elimination order: `first`, then the rest by minimum degree, then `last`."""
    links = pattern | pattern.T
    order = list(first)
    for p in first:
        links |= np.outer(links[:, p], links[p])
    rest = [p for p in range(len(links)) if p not in first and p not in last]
    while rest:
        degree = links[np.ix_(rest, rest + last)].sum(axis=1)
        p = rest[int(degree.argmin())]
        rest.remove(p)
        order.append(p)
        links |= np.outer(links[:, p], links[p])
    return order + last
