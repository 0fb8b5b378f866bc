"""Sums over voxels that are the same to the last bit, whoever holds which of them.

    a span:   s = sum over SPAN voxels along x, halves added to halves                  (a tree)
    a bin:    q_b = round(s / u_b) u_b,  s <- s - q_b,  u_b = 2^(WIDTH (top - b)),  b = 0 ... 3

Spans lie on the whole grid, not on a process's box. Bins lie on fixed powers of two: what a span
puts into a bin depends on the span alone, and whole multiples of u_b add up without rounding, in
whatever order, as long as fewer than 2^(54 - WIDTH) of them meet. The sum is exact but for what
lies below the fourth bin, less than 2^(1 - 3 WIDTH) = 7e-24 of the largest span for each; bins on
fixed powers of two are those of Demmel and Nguyen, IEEE Trans. Comput. 64 (2015) 2060.
"""

import math

import numpy as np

from ekm3d.backend import operator
from ekm3d.grid import Grid

WIDTH, BINS = 26, 4
LOWEST, HIGHEST = -38, 37        # top bins whose powers of two are numbers
ENTRIES = BINS + 1               # of a layer: its top, and what is in its bins
EMPTY = np.array([LOWEST, *[0.0] * BINS])      # the bins of nothing


def spans(g, values):
    """Sum over every span of values (..., nz, ny, nx) of the grid g: (..., nz, ny, spans)."""
    lanes = np.zeros((*values.shape[:-1], g.spans * g.span))
    lanes[..., :values.shape[-1]] = values
    lanes = lanes.reshape(*values.shape[:-1], g.spans, g.span)
    while (half := lanes.shape[-1] // 2):
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes[..., 0]


@operator("sums.cu")
def sum_spans(g, a, sums):
    """sums (nz, ny, spans): the padded array a added up over every span."""
    sums[...] = spans(g, a[g.inner])


@operator("sums.cu")
def dot_spans(g, a, b, sums):
    """sums (nz, ny, spans): a b added up over every span."""
    sums[...] = spans(g, a[g.inner] * b[g.inner])


@operator("sums.cu")
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


def merge(bins):
    """The bins (n, ENTRIES) of n layers or processes as those of one: (ENTRIES,)."""
    top = bins[:, 0].max()
    out, below = np.zeros(ENTRIES), top - bins[:, 0]
    out[0] = top
    for shift in range(BINS):
        out[1 + shift:] += bins[below == shift, 1:ENTRIES - shift].sum(axis=0)
    if not np.isfinite(bins[:, 1:]).all():
        out[1:] = np.nan
    return out


def finish(bins):
    """The number that the bins of many processes, (n, ENTRIES), stand for; nan for what is none."""
    if not np.isfinite(bins[:, 1:]).all():
        return math.nan
    below = bins[:, 0].max() - bins[:, 0]
    return math.fsum(q for shift, line in zip(below, bins[:, 1:].tolist())
                     for q in line[:max(0, BINS - int(shift))])


class Sums:
    """Adds up the voxel arrays of one box; the bins of what it added up, for all processes."""

    def __init__(self, grid, backend):
        self.grid, self.backend = grid, backend
        self.do = {op.__name__: backend.bind(op) for op in (sum_spans, dot_spans, collect)}
        self.spans = backend.zeros((*grid.shape[:2], grid.spans))
        self.made = {}

    def _layers(self, n):
        """The layers of n sums as one grid, and where their bins go."""
        if n not in self.made:
            nx, ny, nz = self.grid.spans, self.grid.cells[1], n * self.grid.cells[2]
            self.made[n] = (Grid((nx * ny, 1, nz), self.grid.spacing),
                            self.backend.zeros((ENTRIES * nz,)))
        return self.made[n]

    def of_spans(self, sums):
        """Bins (n, ENTRIES) of sums over spans (n, nz, ny, spans), brought to the host at once."""
        numbers = sums.reshape(-1)
        layers, bins = self._layers(len(sums))
        self.do["collect"](layers, numbers, numbers.size, bins.size, bins)
        found = self.backend.to_numpy(bins).reshape(len(sums), -1, ENTRIES)
        return np.array([merge(one) for one in found])

    def of_voxels(self, a):
        """Bins of the sum of a padded array over its inner voxels."""
        self.do["sum_spans"](self.grid, a, self.spans)
        return self.of_spans(self.spans[None])

    def of_products(self, a, b):
        """Bins of the sum of a b over the inner voxels of two padded arrays."""
        self.do["dot_spans"](self.grid, a, b, self.spans)
        return self.of_spans(self.spans[None])
