"""Sums over voxels that are the same to the last bit, whoever holds which of them.

    a segment:   s = sum over SEGMENT voxels along x, halves added to halves                  (a tree)
    a bin:    q_b = round(s / u_b) u_b,  s <- s - q_b,  u_b = 2^(WIDTH (top - b)),  b = 0 ... 3

Segments lie on the whole grid, not on a process's box. Bins lie on fixed powers of two: what a segment
puts into a bin depends on the segment alone, and whole multiples of u_b add up without rounding, in
whatever order, as long as fewer than 2^(54 - WIDTH) of them meet. The sum is exact but for what
lies below the fourth bin, less than 2^(1 - 3 WIDTH) = 7e-24 of the largest segment for each; bins on
fixed powers of two are those of Demmel and Nguyen, IEEE Trans. Comput. 64 (2015) 2060.
"""

import math

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.grid.grid import Grid

WIDTH, BINS = 26, 4
LOWEST, HIGHEST = -38, 37        # top bins whose powers of two are numbers
ENTRIES = BINS + 1               # of a layer: its top, and what is in its bins
EMPTY = np.array([LOWEST, *[0.0] * BINS])      # the bins of nothing


def segments(g, values):
    """Sum over every segment of values (..., nz, ny, nx) of the grid g: (..., nz, ny, segments)."""
    lanes = np.zeros((*values.shape[:-1], g.segments * g.segment))
    lanes[..., :values.shape[-1]] = values
    lanes = lanes.reshape(*values.shape[:-1], g.segments, g.segment)
    while (half := lanes.shape[-1] // 2):
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes[..., 0]


@operator
def sum_segments(g, a, sums):
    """sums (nz, ny, segments): the padded array a added up over every segment."""
    sums[...] = segments(g, a[g.inner])


@operator
def dot_segments(g, a, b, sums):
    """sums (nz, ny, segments): a b added up over every segment."""
    sums[...] = segments(g, a[g.inner] * b[g.inner])


@operator
def collect(g, numbers, count, entries, bins):
    """Every layer's numbers in bins.

    g: a grid with as many layers, a row in each of as many voxels as there are numbers to a layer;
    numbers (count,); bins (entries,): for each layer its top, then what is in its bins.
    """
    left = numbers.reshape(g.cells[2], g.cells[0]).copy()
    out = bins.reshape(-1, ENTRIES)
    size = np.max(np.abs(left), axis=1, where=left == left, initial=0.0)
    out[:, 0] = np.where(size > 0, np.clip(np.frexp(size)[1] // WIDTH, LOWEST, HIGHEST), LOWEST)
    for b in range(BINS):
        shift = 1.5 * np.ldexp(1.0, (52 + WIDTH * (out[:, :1] - b)).astype(int))
        with np.errstate(invalid="ignore"):               # no numbers: they are told in the end
            part = (left + shift) - shift
            out[:, 1 + b] = part.sum(axis=1)
            left -= part


@operator
def merge(g, bins, count, size, merged):
    """The bins of many layers as those of one.

    g: a grid with as many layers as there are sums, a row in each of as many voxels as a sum has
    layers; bins (count,): of all layers, as `collect` has them, one sum after the other; merged
    (size,): for each sum its top, then what is in its bins, no numbers if one of them was none.
    """
    given, out = bins.reshape(g.cells[2], g.cells[0], ENTRIES), merged.reshape(-1, ENTRIES)
    out[:, 0] = given[..., 0].max(axis=1)
    below = out[:, :1] - given[..., 0]
    out[:, 1:] = 0.0
    for shift in range(BINS):
        part = given[..., 1:ENTRIES - shift]
        with np.errstate(invalid="ignore"):
            out[:, 1 + shift:] += np.where((below == shift)[..., None], part, 0.0).sum(axis=1)
    out[:, 1:] += np.where(np.isfinite(given[..., 1:]).all(axis=(1, 2)), 0.0, np.nan)[:, None]


def finish(bins):
    """The number that the bins of many processes, (n, ENTRIES), stand for; nan for what is none."""
    lines = bins.tolist()
    if not all(math.isfinite(q) for line in lines for q in line):
        return math.nan
    top = max(line[0] for line in lines)
    return math.fsum(q for line in lines for q in line[1:max(1, ENTRIES - int(top - line[0]))])


class ReproducibleSums:
    """Adds up the voxel arrays of one box; the bins of what it added up, for all processes."""

    def __init__(self, grid, backend):
        self.grid, self.backend = grid, backend
        self.do = {op.__name__: backend.bind(op) for op in (sum_segments, dot_segments, collect, merge)}
        self.segments = backend.zeros((*grid.shape[:2], grid.segments))
        self.made, self.rows = {}, {}
        self.of_own = self.binner(self.segments[None])

    def _layers(self, n):
        """The layers of n sums as one grid, and as many rows; where their bins go, and the sums'.
        """
        if n not in self.made:
            (_, ny, nz), zeros, h = self.grid.cells, self.backend.zeros, self.grid.spacing
            self.made[n] = (Grid((self.grid.segments * ny, 1, n * nz), h), Grid((nz, 1, n), h),
                            zeros((ENTRIES * n * nz,)), zeros((ENTRIES * n,)))
        return self.made[n]

    def binner(self, sums):
        """The call that makes the bins (n, ENTRIES), NumPy, of these very sums over segments.

        sums: (n, nz, ny, segments); the bins come to the host at once.
        """
        numbers, there = sums.reshape(-1), self.backend
        layers, rows, bins, merged = self._layers(len(sums))
        add = there.sequence([
            there.prepare(self.do["collect"], layers, numbers, numbers.size, bins.size, bins),
            there.prepare(self.do["merge"], rows, bins, bins.size, merged.size, merged)])

        def found():
            add()
            return np.array(there.to_numpy(merged)).reshape(-1, ENTRIES)
        return found

    def of_voxels(self, a):
        """Bins of the sum of a padded array over its inner voxels."""
        self.do["sum_segments"](self.grid, a, self.segments)
        return self.of_own()

    def of_products(self, a, b):
        """Bins of the sum of a b over the inner voxels of two padded arrays."""
        self.do["dot_segments"](self.grid, a, b, self.segments)
        return self.of_own()

    def of_many(self, arrays, by=None):
        """Bins (n, ENTRIES) of the sums of padded arrays (n, padded), each times `by` if given."""
        n = len(arrays)
        if not n:
            return np.zeros((0, ENTRIES))
        if n not in self.rows:
            rows = self.backend.zeros((n, *self.segments.shape))
            self.rows[n] = [row for row in rows], self.binner(rows)
        rows, bins = self.rows[n]
        for array, row in zip(arrays, rows):
            if by is None:
                self.do["sum_segments"](self.grid, array, row)
            else:
                self.do["dot_segments"](self.grid, array, by, row)
        return bins()
