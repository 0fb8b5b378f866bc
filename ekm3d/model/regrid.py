"""Contents of a run on another grid: means over the ore that voxels of both grids share.

    T_new V_new = sum over old voxels of T_old |overlap of old ore with the new voxel| / share

share: that of the new voxel which old ore fills; it is 1 where both grids see the same ore, and
amounts are then conserved to rounding. Where metal was in place of ore, in part or wholly, the new
voxel takes the mean of the ore in it, or the contents of the nearest voxel of ore: contents per
volume stay, for the exchanger must be filled. Overlaps of boxes are products of those of z, y, x.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ekm3d.grid.grid import Grid

AMOUNTS = ("totals", "kinetic_minerals", "slow_sites", "immobile", "immobile_water",
           "immobile_exchanged", "immobile_solid", "head")      # per volume of rock; stored water
GUESSES = ("warm_start",)                               # of the nearest voxel
EXTENT = 1e-9           # relative difference of blocks' ends that counts as rounding


def same_extent(block: Mapping[str, Any], grid: Grid) -> bool:
    """Return True if another run's block, as `earlier_run.block` has it, fills the same space."""
    theirs, ours = (np.array([origin, np.add(origin, np.multiply(cells, spacing))])
                    for origin, cells, spacing in (
        (block["origin [m]"], block["voxels"], block["spacing [m]"]),
        (grid.origin, grid.cells, grid.spacing)))
    return bool(np.allclose(theirs, ours, rtol=0.0, atol=EXTENT * np.abs(ours).max()))


class Regridding:
    """Means over the old voxels that overlap those of a box of the new grid.

    lost: volume of old ore where the box has none; gained: of its ore where there was none [m3].
    """

    def __init__(self, block: Mapping[str, Any], old_ore: Any, grid: Grid,
                 ore: np.ndarray) -> None:
        """block: of the old run; old_ore: (nz, ny, nx) of the old grid, indexed by slices: > 0 in
        ore; grid: of the box; ore: (nz, ny, nx) bool of its voxels."""
        self.weights, self.slices = [], []
        for axis in range(3):
            old = _planes(block["origin [m]"], block["voxels"], block["spacing [m]"], axis)
            new = _planes(grid.origin, grid.cells, grid.spacing, axis)
            first = max(int(np.searchsorted(old, new[0], "right")) - 1, 0)
            last = min(int(np.searchsorted(old, new[-1], "left")), len(old) - 1)
            self.slices.append(slice(first, last))
            self.weights.append(_overlaps(old[first:last + 1], new))
        self.old_ore = np.asarray(old_ore[tuple(self.slices)]) > 0
        self.ore, self.volume = ore, grid.voxel_volume
        self.share = self._spread(self.old_ore.astype(float))
        self.filled = ore & (self.share > 0.0)
        self.nearest = self._nearest(grid)
        self.lost = float(self.share[~ore].sum()) * self.volume
        self.gained = float((1.0 - self.share)[ore].sum()) * self.volume

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Sum over old voxels of their values times the share that they fill of a new one."""
        for axis, weights in enumerate(self.weights):
            values = np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
        return values

    def _nearest(self, grid):
        """Indices (3, nz, ny, nx) of the nearest old voxel of ore of every new one."""
        index = []
        for axis in range(3):
            best = self.weights[axis].argmax(axis=1)
            index.append(best.reshape([-1 if a == axis else 1 for a in range(3)]))
        there = np.broadcast_arrays(*index)
        if not self.old_ore.any():
            return there
        from scipy.ndimage import distance_transform_edt  # slow to import, seldom needed
        to_ore = distance_transform_edt(~self.old_ore, return_distances=False, return_indices=True)
        return [to_ore[axis][tuple(there)] for axis in range(3)]

    def means(self, stored: Any) -> np.ndarray:
        """Return means (..., nz, ny, nx) in the ore, 0 elsewhere; stored: indexed by slices."""
        lead = stored.shape[:-3]
        out = np.zeros((*lead, *self.ore.shape))
        for n in np.ndindex(*lead):
            old = np.asarray(stored[(*n, *self.slices)])
            spread = self._spread(np.where(self.old_ore, old, 0.0))
            mean = np.divide(spread, self.share, out=np.zeros_like(spread), where=self.filled)
            out[n] = np.where(self.filled, mean, np.where(self.ore, old[tuple(self.nearest)], 0.0))
        return out

    def nearest_of(self, stored: Any) -> np.ndarray:
        """Return values (..., nz, ny, nx) of the nearest voxels of old ore, 0 outside of ore."""
        lead = stored.shape[:-3]
        out = np.zeros((*lead, *self.ore.shape))
        for n in np.ndindex(*lead):
            old = np.asarray(stored[(*n, *self.slices)])
            out[n] = np.where(self.ore, old[tuple(self.nearest)], 0.0)
        return out


def _planes(origin: Sequence[float], cells: Sequence[int], spacing: Sequence[float],
            axis: int) -> np.ndarray:
    """Planes between the voxels of a grid along axis 0, 1, 2 = z, y, x [m]."""
    n = 2 - axis
    return origin[n] + spacing[n] * np.arange(cells[n] + 1)


def _overlaps(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Share (new voxels, old voxels) of a new voxel's length that an old one fills; rows add to 1.
    """
    length = (np.minimum(new[1:, None], old[None, 1:]) - np.maximum(new[:-1, None], old[None, :-1]))
    size = np.diff(new)[:, None]
    share = np.where(length > EXTENT * size, length, 0.0)
    return share / share.sum(axis=1, keepdims=True)
