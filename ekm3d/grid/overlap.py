"""Exact overlap of boxes with the voxels of a grid: means, coverage, the category of most volume.

    sum over boxes of V(box and voxel) a(box) / sum over boxes of V(box and voxel)

Boxes are (n, 3) arrays of lower and upper corners x, y, z [m], of any sizes. They are taken in
pieces of a bounded number of (box, voxel) pairs, so that memory does not grow with their number.
"""

from collections.abc import Iterator

import numpy as np

from ekm3d.grid.grid import Grid

PAIRS = 2**20       # (box, voxel) pairs at a time: some 100 MB
TOUCH = 1e-6        # share of a voxel below which it counts as not covered: rounding of places


def pieces(grid: Grid, low: np.ndarray, high: np.ndarray, most: int = PAIRS
           ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (box, voxel, volume [m3]) of overlaps, each (m,) with m of some `most`.

    low, high: (n, 3) corners [m]; box: number of the box; voxel: flat index of (nz, ny, nx).
    """
    a, b = (np.clip((np.asarray(corner, float) - grid.origin) / grid.spacing, 0.0, grid.cells)
            for corner in (low, high))                      # in voxels from the lower corner
    first = np.minimum(np.floor(a), np.subtract(grid.cells, 1)).astype(np.int64)
    count = np.maximum(np.ceil(b).astype(np.int64) - first, 0)
    count[(b <= a).any(axis=1)] = 0
    inside = np.flatnonzero(count.all(axis=1))
    total = np.cumsum(count[inside].prod(axis=1))
    start = 0
    while start < len(inside):
        done = total[start - 1] if start else 0
        stop = max(int(np.searchsorted(total, done + most, "right")), start + 1)
        box = inside[start:stop]
        layers = max(1, int(most // count[box, :2].prod(axis=1).max()))
        if stop - start > 1 or count[box[0], 2] <= layers:
            yield _pairs(grid, a, b, first, count, box)
        else:                                               # one box of many voxels, by layers
            own_first, own_count = first.copy(), count.copy()
            for k in range(0, int(count[box[0], 2]), layers):
                own_first[box[0], 2] = first[box[0], 2] + k
                own_count[box[0], 2] = min(layers, count[box[0], 2] - k)
                yield _pairs(grid, a, b, own_first, own_count, box)
        start = stop


def _pairs(grid, a, b, first, count, box):
    """Return (box, voxel, volume) of all voxels that these boxes reach."""
    number = count[box].prod(axis=1)
    of = np.repeat(box, number)
    rest = np.arange(len(of)) - np.repeat(np.cumsum(number) - number, number)
    voxel, volume, stride = np.zeros(len(of), np.int64), np.full(len(of), grid.voxel_volume), 1
    for d in range(3):
        step = rest % count[of, d]
        rest //= count[of, d]
        index = first[of, d] + step
        volume *= np.minimum(b[of, d], index + 1) - np.maximum(a[of, d], index)
        voxel += stride * index
        stride *= grid.cells[d]
    return of, voxel, volume


def covered(grid: Grid, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the share of every voxel that boxes cover [1] (nz, ny, nx); above 1: they overlap."""
    return total(grid, low, high, np.ones(len(low))) / grid.voxel_volume


def joined(low: np.ndarray, high: np.ndarray, within: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of boxes (n, 3) with faces nearer than `within` [m] moved to their mean.

    Files round places, so that neighbours overlap by some millimetres. Faces are left as they are
    where a chain of them, each as near to the next, is longer than that.
    """
    ends = np.stack([low, high])
    for axis in range(3):
        values = ends[..., axis].ravel()
        order = np.argsort(values, kind="stable")
        group = np.concatenate([[0], np.cumsum(np.diff(values[order]) > within)])
        first = np.flatnonzero(np.diff(group, prepend=-1))
        least, most = (edge.reduceat(values[order], first) for edge in (np.minimum, np.maximum))
        mean = np.add.reduceat(values[order], first) / np.bincount(group)
        near = (most - least <= within)[group]
        values[order[near]] = mean[group][near]
        ends[..., axis] = values.reshape(2, -1)
    return ends[0], ends[1]


def total(grid: Grid, low: np.ndarray, high: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Return sum of V(box and voxel) density(box) of every voxel (nz, ny, nx); density: (n,)."""
    out = np.zeros(int(np.prod(grid.cells)))
    for box, voxel, volume in pieces(grid, low, high):
        out += np.bincount(voxel, volume * density[box], out.size)
    return out.reshape(grid.shape)


def mean(grid: Grid, low: np.ndarray, high: np.ndarray, values: np.ndarray,
         density: np.ndarray | None = None) -> np.ndarray:
    """Return the mean of values (n,) over the boxes in every voxel (nz, ny, nx), NaN without any.

    Weighted by volume, or by mass where boxes have a density (n,). Boxes without a value (NaN) are
    left out.
    """
    there = np.isfinite(values)
    low, high, values = low[there], high[there], values[there]
    weight = np.ones(len(values)) if density is None else density[there]
    share = covered(grid, low, high)
    with np.errstate(invalid="ignore", divide="ignore"):
        out = total(grid, low, high, values * weight) / total(grid, low, high, weight)
    return np.where(share > TOUCH, out, np.nan)


def largest_category(grid: Grid, low: np.ndarray, high: np.ndarray, codes: np.ndarray
                     ) -> np.ndarray:
    """Return the code that fills most of every voxel (nz, ny, nx) int32; -1 where no box is.

    codes: (n,) integers of at least 0, negative ones count as no box; of equal shares the lower
    code wins.
    """
    best = np.full(grid.shape, TOUCH * grid.voxel_volume)
    out = np.full(grid.shape, -1, np.int32)
    for code in np.unique(codes[codes >= 0]):
        own = codes == code
        volume = total(grid, low[own], high[own], np.ones(int(own.sum())))
        wins = volume > best * (1 + 1e-12)
        out[wins], best[wins] = code, volume[wins]
    return out
