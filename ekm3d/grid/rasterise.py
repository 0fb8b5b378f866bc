"""Rasterisation: boxes and lines to voxels, and the faces around a set of voxels."""

from collections.abc import Sequence

import numpy as np

from ekm3d.errors import InputError
from ekm3d.grid.grid import GHOST, Grid

TIP = 1e-6          # of a voxel, from the end of a line to where its voxels are looked for


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


def line_voxels(start: Sequence[float], end: Sequence[float], grid: Grid,
                beside: Sequence = ((0.0, 0.0, 0.0),)) -> tuple[np.ndarray, ...]:
    """Return the index (k, j, i) of the voxels that a straight line between two places [m] passes.

    beside: (n, 3) m from the line to others that are followed in its place. A line that ends on the
    face of two voxels does not pass the farther one.
    """
    way = np.subtract(end, start)
    steps = 4 * int(np.ceil((np.abs(way) / grid.spacing).max())) + 1
    part = np.linspace(TIP / steps, 1.0 - TIP / steps, steps)[:, None]
    points = np.array(start) + part * way
    points = (points[:, None] + np.asarray(beside)).reshape(-1, 3)
    found = np.floor((points - grid.origin) / grid.spacing + 1e-9).astype(int)
    return tuple(np.unique(np.clip(found, 0, np.array(grid.cells) - 1)[:, ::-1], axis=0).T)


def outer_voxels(shape: Sequence[int], active: np.ndarray | None, axis: int, upper: bool
                 ) -> tuple[np.ndarray, ...]:
    """Indices (k, j, i) of the voxels at a side of the block, arrays over its faces.

    active: inner mask of voxels that hold anything, None: all. Across z (axis 0) the outermost of
    these in every column, so that the top of the block follows a hillside; else, and in columns
    without any, the voxels at the side of the box.
    """
    index = [np.arange(n) for n in shape]
    index[axis] = index[axis][-1:] if upper else index[axis][:1]
    places = list(np.meshgrid(*index, indexing="ij"))
    if active is not None and axis == 0:
        first = active[::-1].argmax(axis=0) if upper else active.argmax(axis=0)
        places[0] = np.abs(places[0] - first)
    return tuple(places)


def padded_voxels(place: Sequence[slice], grid: Grid) -> np.ndarray:
    """Return the flat padded indices, ascending, of the voxels in inner slices (k, j, i)."""
    return np.ravel_multi_index(np.ix_(*(
        np.arange(s.start, s.stop) + GHOST for s in place)), grid.padded).ravel()


def faces_of(ore: np.ndarray, place: Sequence[slice]
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces between the voxels in inner slices (k, j, i) and voxels of `ore`, an inner mask.

    Return (voxel, axis, way), (n,) each: flat padded index of the ore voxel; axis 0, 1, 2 = z, y,
    x; 1 where the way into the ore goes up the axis, else -1. Looks at the layers beside the box
    alone.
    """
    padded = [n + 2 * GHOST for n in ore.shape]
    voxels, axes, ways = [], [], []
    for axis in range(3):
        for way in (1, -1):
            beside = list(place)
            layer = place[axis].stop if way > 0 else place[axis].start - 1
            beside[axis] = slice(layer, layer + 1 if 0 <= layer < ore.shape[axis] else layer)
            found = np.nonzero(ore[tuple(beside)]) if layer >= 0 else ([], [], [])
            touched = np.ravel_multi_index(
                tuple(np.asarray(n, int) + s.start + GHOST for n, s in zip(
                    found, beside, strict=True)), padded)
            voxels.append(touched)
            axes.append(np.full(touched.size, axis))
            ways.append(np.full(touched.size, way))
    return np.concatenate(voxels), np.concatenate(axes), np.concatenate(ways)
