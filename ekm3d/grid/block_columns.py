"""Union of boxes as the stretches of vertical lines that lie inside it: a solid made of blocks.

Lower and upper sides part the plan into cells; in every cell lie stretches from bottom to top,
those of boxes that touch joined to one.
"""

import numpy as np

SLACK = 1e-6            # m, within which sides are the same


class BlockColumns:
    """Union of boxes that do not overlap, as a solid for vertical lines."""

    def __init__(self, low: np.ndarray, high: np.ndarray):
        """low, high: (n, 3) corners [m], of at least one box."""
        low, high = (np.round(np.asarray(corner, float), 6) for corner in (low, high))
        self.x, self.y = (np.unique(np.concatenate([low[:, d], high[:, d]])) for d in (0, 1))
        first = [np.searchsorted(ends, low[:, d]) for d, ends in enumerate((self.x, self.y))]
        count = [np.searchsorted(ends, high[:, d]) - first[d]
                 for d, ends in enumerate((self.x, self.y))]
        number = count[0] * count[1]
        box = np.repeat(np.arange(len(low)), number)
        rest = np.arange(len(box)) - np.repeat(np.cumsum(number) - number, number)
        cell = (first[1][box] + rest // count[0][box]) * len(self.x) \
            + first[0][box] + rest % count[0][box]
        order = np.lexsort((low[box, 2], cell))
        cell, bottom, top = cell[order], low[box[order], 2], high[box[order], 2]
        apart = np.ones(len(cell), bool)
        apart[1:] = (cell[1:] != cell[:-1]) | (bottom[1:] > top[:-1] + SLACK)
        start = np.flatnonzero(apart)
        top = np.maximum.reduceat(top, start)
        self.cells, begin, many = np.unique(cell[start], return_index=True, return_counts=True)
        self.edges = np.empty((2 * int(many.max()), len(self.cells)))
        self.inside = np.zeros((len(self.edges) - 1, len(self.cells)), bool)
        for n in range(int(many.max())):        # the n-th stretch from below; none: of no length
            at = begin + np.minimum(n, many - 1)
            there = n < many
            self.edges[2 * n] = np.where(there, bottom[start][at], top[at])
            self.edges[2 * n + 1] = top[at]
            self.inside[2 * n] = there

    def stretches(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (edges (E, n), inside (E - 1, n)) of vertical lines at x, y (n,) [m]."""
        i, j = (np.searchsorted(ends, at, "right") - 1 for ends, at in ((self.x, x), (self.y, y)))
        there = (i >= 0) & (i < len(self.x) - 1) & (j >= 0) & (j < len(self.y) - 1)
        cell = j * len(self.x) + i
        at = np.minimum(np.searchsorted(self.cells, cell), len(self.cells) - 1)
        there &= self.cells[at] == cell
        return self.edges[:, at], self.inside[:, at] & there
