"""Initial guesses of the chemistry: one representative voxel per sub-block is solved cold.

All other voxels start warm from it. The block is divided into at most PARTS sub-blocks along each
axis, and the first ore voxel of a sub-block represents it. The choice depends on the whole block
alone, so that every rank knows and solves all of them: a voxel's start is the same however the
block is decomposed.
"""

import numpy as np

from ekm3d.grid.grid import GHOST, Array
from ekm3d.parallel.domain import Domain

PARTS = 8          # along an axis
WORTH = 4          # least ore voxels per representative: with fewer, nothing is gained


def cuts(n: int) -> list[int]:
    """Return the bounds of the sub-blocks of n voxels along an axis."""
    count = min(n, PARTS)
    return [n * part // count for part in range(count + 1)]


class RepresentativeVoxels:
    """Representative voxels of a block.

    places: their flat indices in the padded whole, none where they would not pay; parts: lower
    and upper bounds of their sub-blocks.
    """

    def __init__(self, domain: Domain, ore: np.ndarray):
        """ore: mask of the whole block's ore, (nz, ny, nx)."""
        self.domain = domain
        self.parts: list[tuple] = []
        first: list[np.ndarray] = []
        z, y, x = map(cuts, ore.shape)
        for part in np.ndindex(len(z) - 1, len(y) - 1, len(x) - 1):
            low = [axis[n] for axis, n in zip((z, y, x), part, strict=True)]
            high = [axis[n + 1] for axis, n in zip((z, y, x), part, strict=True)]
            inside = ore[tuple(map(slice, low, high))]
            if inside.any():
                self.parts.append((low, high))
                first.append(np.add(low, np.unravel_index(inside.argmax(), inside.shape)))
        if np.count_nonzero(ore) < WORTH * len(first):
            self.parts, first = [], []
        self.places = np.ravel_multi_index(np.transpose(first).reshape(3, -1).astype(int) + GHOST,
                                           domain.whole.padded)

    def gather(self, array: Array) -> np.ndarray:
        """Return the values (..., n) of an array (..., padded), on every rank; collective."""
        return self.domain.gather(array, self.places)

    def spread(self, values: np.ndarray, array: Array) -> None:
        """Write the values (..., n) into an array (..., padded), each to its whole sub-block."""
        box = self.domain.box
        on_device = self.domain.backend.from_numpy(np.ascontiguousarray(values))
        for n, (low, high) in enumerate(self.parts):
            here = [slice(max(a, start) - start + GHOST, max(min(b, stop) - start, 0) + GHOST)
                    for a, b, start, stop in zip(low, high, box.start, box.stop, strict=True)]
            array[(Ellipsis, *here)] = on_device[..., n].reshape(*on_device.shape[:-1], 1, 1, 1)
