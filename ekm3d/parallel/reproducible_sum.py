"""Reproducible sums over voxels: the same bits for any decomposition and number of ranks.

    a segment:   s = sum over SEGMENT voxels along x, halves added to halves             (a tree)
    a bin:       q_b = round(s / u_b) u_b,  s <- s - q_b,  u_b = 2^(WIDTH (top - b)),  b = 0 ... 3

Segments lie on the whole grid, not on a rank's box. Bins lie on fixed powers of two: a segment's
share of a bin depends on the segment alone, and whole multiples of u_b add up without rounding, in
any order, as long as there are fewer than 2^(54 - WIDTH) of them. The sum is exact but for the
part below the fourth bin, less than 2^(1 - 3 WIDTH) = 7e-24 of the largest segment for each. Bins
(accumulators) on fixed powers of two are those of Demmel and Nguyen, IEEE Trans. Comput. 64 (2015)
2060.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.grid.grid import Array, Grid

WIDTH, BINS = 26, 4
LOWEST, HIGHEST = -38, 37        # top bins whose powers of two are representable
AT_ONCE = 8                      # sums that are added up together
ENTRIES = BINS + 1               # of a layer: its top bin's number, and the contents of its bins
EMPTY = np.array([LOWEST, *[0.0] * BINS])      # bins of an empty sum

KERNEL_CONSTANTS = {"WIDTH": WIDTH, "BINS": BINS, "LOWEST": LOWEST, "HIGHEST": HIGHEST}


def segments(g: Grid, values: np.ndarray) -> np.ndarray:
    """Return the segment sums (..., nz, ny, segments) of values (..., nz, ny, nx) of the grid g."""
    lanes = np.zeros((*values.shape[:-1], g.segments * g.segment))
    lanes[..., :values.shape[-1]] = values
    lanes = lanes.reshape(*values.shape[:-1], g.segments, g.segment)
    while (half := lanes.shape[-1] // 2):
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes[..., 0]


@operator
def sum_segments(g, a, sums):
    """sums (nz, ny, segments) = segment sums of the padded array a."""
    sums[...] = segments(g, a[g.inner])


@operator
def dot_segments(g, a, b, sums):
    """sums (nz, ny, segments) = segment sums of a b, both padded."""
    sums[...] = segments(g, a[g.inner] * b[g.inner])


@operator
def bin_values(g, numbers, count, entries, bins):
    """Add every layer's numbers up in bins.

    g: a grid with as many layers, a row in each of as many voxels as there are numbers to a layer;
    numbers (count,); bins (entries,): of each layer the top bin's number, then its bins' contents.
    """
    remainder = numbers.reshape(g.cells[2], g.cells[0]).copy()
    out = bins.reshape(-1, ENTRIES)
    size = np.max(np.abs(remainder), axis=1, where=remainder == remainder, initial=0.0)
    out[:, 0] = np.where(size > 0, np.clip(np.frexp(size)[1] // WIDTH, LOWEST, HIGHEST), LOWEST)
    for b in range(BINS):
        shift = 1.5 * np.ldexp(1.0, (52 + WIDTH * (out[:, :1] - b)).astype(int))
        with np.errstate(invalid="ignore"):               # nan and inf: `finish` returns nan
            part = (remainder + shift) - shift
            out[:, 1 + b] = part.sum(axis=1)
            remainder -= part


@operator
def merge_bins(g, bins, count, size, merged):
    """Merge the bins of a sum's layers into one set of bins.

    g: a grid with as many layers as there are sums, a row in each of as many voxels as a sum has
    layers; bins (count,): of all layers, as from `bin_values`, one sum after the other; merged
    (size,): of each sum the top bin's number, then its bins' contents, nan if one was not finite.
    """
    layers, out = bins.reshape(g.cells[2], g.cells[0], ENTRIES), merged.reshape(-1, ENTRIES)
    out[:, 0] = layers[..., 0].max(axis=1)
    below = out[:, :1] - layers[..., 0]
    out[:, 1:] = 0.0
    for shift in range(BINS):
        part = layers[..., 1:ENTRIES - shift]
        with np.errstate(invalid="ignore"):
            out[:, 1 + shift:] += np.where((below == shift)[..., None], part, 0.0).sum(axis=1)
    out[:, 1:] += np.where(np.isfinite(layers[..., 1:]).all(axis=(1, 2)), 0.0, np.nan)[:, None]


def finish(rows: Sequence[Sequence[float]]) -> float:
    """Return the sum, rounded once, from each rank's bins (ENTRIES floats); nan if not finite."""
    if len(rows) == 1:                  # shortly, as there are many sums
        top, *parts = rows[0]
        try:
            total = math.fsum(parts)
        except ValueError:              # infinities of either sign
            return math.nan
        return total if math.isfinite(total) and math.isfinite(top) else math.nan
    if not all([all(map(math.isfinite, row)) for row in rows]):
        return math.nan
    top = max([row[0] for row in rows])
    return math.fsum([q for row in rows for q in row[1:max(1, ENTRIES - int(top - row[0]))]])


class ReproducibleSums:
    """Local part of reproducible sums: bins of the voxel arrays of one box."""

    def __init__(self, grid: Grid, backend: Backend) -> None:
        self.grid, self.backend = grid, backend
        self.operators = {op.__name__: backend.bind(op)
                          for op in (sum_segments, dot_segments, bin_values, merge_bins)}
        self.segments = backend.zeros((*grid.shape[:2], grid.segments))
        self.work: dict[int, tuple] = {}
        self.rows: dict[int, tuple] = {}
        self.merge_segments, self.merged = self._merger(self.segments[None])
        self.bins_of_segments = self.binner(self.segments[None])

    def _work_arrays(self, n):
        """(grid of the layers of n sums, grid of the sums, bins, merged bins), made once per n."""
        if n not in self.work:
            (_, ny, nz), zeros, h = self.grid.cells, self.backend.zeros, self.grid.spacing
            self.work[n] = (Grid((self.grid.segments * ny, 1, n * nz), h), Grid((nz, 1, n), h),
                            zeros((ENTRIES * n * nz,)), zeros((ENTRIES * n,)))
        return self.work[n]

    def binner(self, sums: Array) -> Callable[[], np.ndarray]:
        """Return a function that adds segment sums up in bins (n, ENTRIES), on the host.

        sums: (n, nz, ny, segments), this very array at every call.
        """
        (add, merged), backend = self._merger(sums), self.backend

        def host_bins():
            add()
            return np.array(backend.to_numpy(merged)).reshape(-1, ENTRIES)
        return host_bins

    def _merger(self, sums):
        """(function that adds segment sums up in bins, these bins (n ENTRIES,) on the backend)."""
        numbers, backend = sums.reshape(-1), self.backend
        layers, rows, bins, merged = self._work_arrays(len(sums))
        add = backend.sequence([
            backend.prepare(self.operators["bin_values"], layers, numbers, numbers.size, bins.size,
                            bins),
            backend.prepare(self.operators["merge_bins"], rows, bins, bins.size, merged.size,
                            merged)])
        return add, merged

    def of_voxels(self, a: Array) -> np.ndarray:
        """Return the bins (1, ENTRIES) of the sum of a padded array over its inner voxels."""
        self.operators["sum_segments"](self.grid, a, self.segments)
        return self.bins_of_segments()

    def of_products(self, a: Array, b: Array) -> np.ndarray:
        """Return the bins (1, ENTRIES) of the sum of a b over the inner voxels of padded arrays."""
        self.operators["dot_segments"](self.grid, a, b, self.segments)
        return self.bins_of_segments()

    def of_many(self, arrays: Array, factor: Array | None = None) -> np.ndarray:
        """Return the bins (n, ENTRIES) of the sums of arrays (n, padded), each times `factor`.

        AT_ONCE of them at a time, so that their segments take little memory.
        """
        parts = [self._bins_of_few(arrays[n:n + AT_ONCE], factor)
                 for n in range(0, len(arrays), AT_ONCE)]
        return np.concatenate([np.zeros((0, ENTRIES)), *parts])

    def _bins_of_few(self, arrays, factor):
        n = len(arrays)
        if n not in self.rows:
            rows = self.backend.zeros((n, *self.segments.shape))
            self.rows[n] = [rows[i] for i in range(n)], self.binner(rows)
        sums, bins = self.rows[n]
        for array, out in zip(arrays, sums, strict=True):
            if factor is None:
                self.operators["sum_segments"](self.grid, array, out)
            else:
                self.operators["dot_segments"](self.grid, array, factor, out)
        return bins()
