"""Rasterisation: boxes to voxels, and the faces around a set of voxels."""

from collections.abc import Sequence

import numpy as np

from ekm3d.errors import InputError
from ekm3d.grid.grid import GHOST, Grid


def rasterise(box: Sequence[Sequence[float]], grid: Grid) -> tuple[slice, ...]:
    """Inner slices (k, j, i) of the voxels that a box ((x0, y0, z0), (x1, y1, z1)) [m] covers.

    Along each axis: the voxels covered by at least one half, or, for a thinner box, the one that
    holds its middle. InputError for a box that leaves the grid.
    """
    index = []
    for d, name in enumerate("xyz"):
        low, high = sorted((box[0][d], box[1][d]))
        start, end = grid.origin[d], grid.origin[d] + grid.size[d]
        slack = 1e-9 * grid.size[d]
        if low < start - slack or high > end + slack:
            raise InputError(f"{name} from {low:g} to {high:g} m lies outside the grid "
                             f"({start:g} to {end:g} m)")
        first = int(np.floor((low - start) / grid.spacing[d] + 0.5 + 1e-9))
        last = int(np.floor((high - start) / grid.spacing[d] + 0.5 + 1e-9))
        if last <= first:
            middle = 0.5 * (low + high) - start
            first = min(int(np.floor(middle / grid.spacing[d] + 1e-9)), grid.cells[d] - 1)
            last = first + 1
        index.append(slice(first, last))
    return tuple(reversed(index))


def faces_of(solid: np.ndarray, box_mask: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces between the voxels of `box_mask` and voxels outside `solid`, both inner masks.

    Return (voxel, axis, way), (n,) each: flat padded index of the ore voxel; axis 0, 1, 2 = z, y,
    x; 1 where the way into the ore goes up the axis, else -1.
    """
    pad = [(GHOST, GHOST)] * 3
    own, ore = np.pad(box_mask, pad), np.pad(~solid, pad)
    voxels, axes, ways = [], [], []
    for axis in range(3):
        for shift in (1, -1):
            touched = np.flatnonzero(np.roll(own, shift, axis) & ore)
            voxels.append(touched)
            axes.append(np.full(touched.size, axis))
            ways.append(np.full(touched.size, shift))
    return np.concatenate(voxels), np.concatenate(axes), np.concatenate(ways)
