"""Links between voxels that are no neighbours: a symmetric matrix M beside the elliptic operator.

An electrode that resists along itself links all voxels it passes (`physics.electrode_lines`). M
consists of dense blocks, one per electrode; the values of its voxels are the same on all ranks.
"""

from collections.abc import Sequence

import numpy as np

from ekm3d.grid.grid import Array
from ekm3d.parallel.domain import Domain


class LinkedVoxels:
    """Matrix M of dense blocks on lists of voxels; a voxel may stand in several of them.

    sum: of all entries of M.
    """

    def __init__(self, domain: Domain, voxels: Sequence[np.ndarray],
                 blocks: Sequence[np.ndarray]):
        """voxels: flat padded indices in the whole grid of every block; blocks: (n, n) each."""
        self.domain, self.blocks = domain, tuple(blocks)
        self.voxel, self.at = np.unique(np.concatenate([np.zeros(0, int), *voxels]),
                                        return_inverse=True)
        ends = np.cumsum([0, *(block.shape[0] for block in self.blocks)])
        self.parts = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        self.ones = self.product(np.ones(self.voxel.size))
        self.sum = float(self.ones.sum())

    def product(self, x: np.ndarray) -> np.ndarray:
        """Return M x at the linked voxels, (n,)."""
        of_blocks = x[self.at]
        out = np.zeros(of_blocks.size)
        for part, block in zip(self.parts, self.blocks, strict=True):
            out[part] = (block * of_blocks[part]).sum(axis=1)       # the same bits on every rank
        return np.bincount(self.at, out, minlength=self.voxel.size)

    def add_product(self, x: Array, y: Array) -> None:
        """Add M x to y; both padded."""
        values = self.domain.gather(x, self.voxel).astype(float)
        self.domain.add_at(y, self.voxel, self.product(values))

    def add_constant(self, constant: float, y: Array) -> None:
        """Add M times a constant to y, padded."""
        self.domain.add_at(y, self.voxel, constant * self.ones)

    def add_to_sums(self, p: Array, r: Array, Ap: Array) -> tuple[float, float, float]:
        """Add M p to Ap; return what that adds to the sums p Ap, r Ap and Ap^2; all padded."""
        at_p, at_r, at_Ap = (self.domain.gather(a, self.voxel).astype(float) for a in (p, r, Ap))
        more = self.product(at_p)
        self.domain.add_at(Ap, self.voxel, more)
        return (float((at_p * more).sum()), float((at_r * more).sum()),
                float(((2.0 * at_Ap + more) * more).sum()))
