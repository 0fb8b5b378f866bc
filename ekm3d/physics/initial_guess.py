"""A few voxels that chemistry solves without any history, for all others to start from.

The block is divided into PARTS parts at most along each axis, and the first ore voxel of a part
is its seed. Which voxels these are depends on the whole block alone, so that every process knows
and solves them all: a voxel's start is the same however the block is cut.
"""

import numpy as np

from ekm3d.grid.grid import GHOST

PARTS = 8          # along an axis
WORTH = 4          # times as many ore voxels as seeds: fewer are not worth it


def cuts(n):
    """Where n voxels along an axis are divided."""
    count = min(n, PARTS)
    return [n * part // count for part in range(count + 1)]


class RepresentativeVoxels:
    """The seeds of a block; places: their flat indices in the padded whole, none if not worth it.
    """

    def __init__(self, domain, ore):
        """ore: mask of the whole block's ore, (nz, ny, nx)."""
        self.domain, self.parts, first = domain, [], []
        z, y, x = map(cuts, ore.shape)
        for part in np.ndindex(len(z) - 1, len(y) - 1, len(x) - 1):
            low = [axis[n] for axis, n in zip((z, y, x), part)]
            high = [axis[n + 1] for axis, n in zip((z, y, x), part)]
            inside = ore[tuple(map(slice, low, high))]
            if inside.any():
                self.parts.append((low, high))
                first.append(np.add(low, np.unravel_index(inside.argmax(), inside.shape)))
        if np.count_nonzero(ore) < WORTH * len(first):
            self.parts, first = [], []
        self.places = np.ravel_multi_index(np.transpose(first).reshape(3, -1).astype(int) + GHOST,
                                           domain.whole.padded)

    def spread(self, values, array):
        """array (..., padded) gets the NumPy values (..., n) of the seeds, each in its part."""
        box = self.domain.box
        values = self.domain.backend.from_numpy(np.ascontiguousarray(values))
        for n, (low, high) in enumerate(self.parts):
            here = [slice(max(a, start) - start + GHOST, max(min(b, stop) - start, 0) + GHOST)
                    for a, b, start, stop in zip(low, high, box.start, box.stop)]
            array[(Ellipsis, *here)] = values[..., n].reshape(*values.shape[:-1], 1, 1, 1)
