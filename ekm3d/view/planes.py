"""Planes that a block is cut along: through electrodes, as near to the middle as they are.

Of a block of one voxel across there is one plane, of a column none but its axis.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.view.run import Run

AXES = "zyx"            # array axes
SLACK = 1e-9            # of a voxel: a rod on the face of two voxels is in both


@dataclass(frozen=True)
class Plane:
    """Cut across array axis `normal` at voxel `index`; `across`, `up`: array axes on the paper."""

    normal: int
    index: int
    across: int
    up: int
    title: str

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the values on the plane (up, across)."""
        return np.take(values, self.index, axis=self.normal)

    def extent(self, run: Run) -> tuple[float, float, float, float]:
        """Ends (left, right, bottom, top) of the plane [m]."""
        return (*ends(run, self.across), *ends(run, self.up))

    def boxes(self, run: Run) -> list[tuple[int, float, float, float, float]]:
        """Electrodes that the plane cuts: (row, left, bottom, width, height) [m]."""
        out = []
        for electrode in run.electrodes:
            cut = electrode.box[self.normal]
            if cut.start <= self.index < cut.stop:
                left, right = _length(run, self.across, electrode.box[self.across])
                low, high = _length(run, self.up, electrode.box[self.up])
                out.append((electrode.row, left, low, right - left, high - low))
        return out


    def lines(self, run: Run) -> list[tuple[int, tuple[float, float], tuple[float, float]]]:
        """Axes of rods within the voxels of the plane: (row, (across, up), (across, up)) [m]."""
        low, high = (edge - SLACK * run.grid.spacing[2 - self.normal] * sign for edge, sign in zip(
            _length(run, self.normal, slice(self.index, self.index + 1)), (1, -1), strict=True))
        out = []
        for rod in run.rods:
            start, end = np.array(rod.start)[::-1], np.array(rod.end)[::-1]        # z, y, x
            way = end - start
            if way[self.normal]:
                parts = np.sort((np.array([low, high]) - start[self.normal]) / way[self.normal])
                first, last = max(parts[0], 0.0), min(parts[1], 1.0)
            else:
                first, last = (0.0, 1.0) if low <= start[self.normal] <= high else (1.0, 0.0)
            if first <= last:
                a, b = start + first * way, start + last * way
                out.append((rod.row, (float(a[self.across]), float(a[self.up])),
                            (float(b[self.across]), float(b[self.up]))))
        return out


def ends(run: Run, axis: int) -> tuple[float, float]:
    """Lower and upper end of the block along an array axis [m]."""
    return _length(run, axis, slice(0, run.grid.shape[axis]))


def _length(run: Run, axis: int, cut: slice) -> tuple[float, float]:
    spacing, origin = run.grid.spacing[2 - axis], run.grid.origin[2 - axis]
    return origin + cut.start * spacing, origin + cut.stop * spacing


def planes(run: Run) -> tuple[Plane, ...]:
    """Return a vertical section and a plan of the block, or what there is of them."""
    shape = run.grid.shape
    found = []
    for normal, across, up in ((1, 2, 0), (0, 2, 1), (2, 1, 0)):
        if shape[across] > 1 and shape[up] > 1:
            index = _best((run.rows_of_metal > 0) | (run.voxels_of_rods > 0), normal)
            low, high = _length(run, normal, slice(index, index + 1))
            kind = "Plan" if normal == 0 else "Section"
            place = f"{AXES[normal]} = {0.5 * (low + high):.3g} m"
            found.append(Plane(normal, index, across, up, f"{kind} at {place}"))
    return tuple(found[:2])


def _best(metal: np.ndarray, normal: int) -> int:
    """Return the plane with most metal; the nearest to the middle of those, else the middle."""
    size = metal.shape[normal]
    others = tuple(axis for axis in range(3) if axis != normal)
    count = metal.sum(others)
    candidates = np.flatnonzero(count == count.max())
    middle = (size - 1) / 2
    if normal == 0 and count.max() > 0:         # the depth at which electrodes work
        middle = float(candidates.mean())
    return int(candidates[np.abs(candidates - middle).argmin()])


def long_axis(run: Run) -> int:
    """Return the array axis of a column; the longest."""
    return int(np.argmax(run.grid.shape))
