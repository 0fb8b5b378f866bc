"""Rods, wires and thin strips of a row, read from [electrodes.row.rods]."""

import numpy as np

from ekm3d.boundaries.rods import Rod
from ekm3d.case.problems import KeyPath, MissingValue, Problems
from ekm3d.case.schema_electrodes import Rods
from ekm3d.grid.grid import Grid
from ekm3d.quoting import quoted

UPRIGHT = ("x", "y", "bottom", "top")


class RodReader:
    """Reader of rods for a grid; problems go to `problems`."""

    def __init__(self, grid: Grid, problems: Problems):
        self.grid, self.problems = grid, problems

    def read(self, path: KeyPath, row: str, entry: Rods) -> tuple[Rod, ...]:
        """Return the Rods of a row, from their upper ends where they are upright.

        MissingValue where they are not fully given, or do not fit the block and its voxels.
        """
        lines = self._lines(path, entry)
        if (entry.radius is None) == (entry.width is None):
            self.problems.add(path, "needs either a radius, of round rods, or a width")
            raise MissingValue
        rods = []
        for start, end in lines:
            wide, thick = entry.width or 0.0, entry.thickness or 0.0
            if entry.radius is not None:
                wide = thick = 2.0 * entry.radius
            rods.append(Rod(start, end, wide, thick, entry.radius is not None,
                            self._across(path, start, end, entry), entry.resistance, entry.fed))
        fits = [self._fits(path, row, n, rod, entry.lines is None) for n, rod in enumerate(rods, 1)]
        if not all(fits):
            raise MissingValue
        return tuple(rods)

    def _lines(self, path, entry):
        """Ends of the axes: given as they are, or upright below x and y."""
        given = [key for key in UPRIGHT if getattr(entry, key) is not None]
        if (entry.lines is not None) == bool(given) or len(given) not in (0, len(UPRIGHT)):
            self.problems.add(path, "needs either x, y, bottom and top of upright rods, or lines = "
                              "[[[x0, y0, z0], [x1, y1, z1]], ...]")
            raise MissingValue
        if entry.lines is not None:
            return entry.lines
        count = max(len(entry.x), len(entry.y))
        if min(len(entry.x), len(entry.y)) not in (1, count):
            self.problems.add(path, f"{len(entry.x)} places x and {len(entry.y)} places y; give "
                              "as many, or one of either for all")
            raise MissingValue
        if entry.top <= entry.bottom:
            self.problems.add((*path, "top"), f"{entry.top:g} m is not above the bottom "
                              f"{entry.bottom:g} m; z points up")
            raise MissingValue
        return [((x, y, entry.top), (x, y, entry.bottom)) for x, y in zip(
            np.broadcast_to(entry.x, count).tolist(), np.broadcast_to(entry.y, count).tolist(),
            strict=True)]

    def _across(self, path, start, end, entry):
        """Unit vector along the width of a strip, which is across its axis and `facing`."""
        along = np.subtract(end, start) / np.linalg.norm(np.subtract(end, start))
        if entry.radius is not None:
            facing = np.eye(3)[int(np.abs(along).argmin())]
        else:
            facing = np.eye(3)["xyz".index(entry.facing)]
        across = np.cross(along, facing)
        if np.linalg.norm(across) < 1e-3:
            self.problems.add((*path, "facing"), f"a strip cannot face {entry.facing}, the axis it "
                              "lies along; give another")
            raise MissingValue
        return tuple((across / np.linalg.norm(across)).tolist())

    def _fits(self, path, row, n, rod, upright):
        """True if a rod lies in the block and its metal is at most as thick as two voxels."""
        low, high = np.array(self.grid.origin), np.add(self.grid.origin, self.grid.size)
        for end, height in ((rod.start, "top"), (rod.end, "bottom")):
            out = (end < low - 1e-9 * (high - low)) | (end > high + 1e-9 * (high - low))
            if out.any():
                key = ("x", "y", height)[int(out.argmax())] if upright else "lines"
                self.problems.add((*path, key), f"rod {n} of row {quoted(row)} ends at "
                                  "({:g}, {:g}, {:g}) m, ".format(*end) + "outside the block "
                                  "({:g}, {:g}, {:g}) to ({:g}, {:g}, {:g}) m; move or shorten it"
                                  .format(*low, *high))
                return False
        along = np.abs(np.subtract(rod.end, rod.start))
        across = min(h for d, h in enumerate(self.grid.spacing)
                     if d != int((along / self.grid.spacing).argmax()))
        if rod.thickness > 2.0 * across:
            self.problems.add(path, f"rod {n} of row {quoted(row)} is {rod.thickness:g} m thick, "
                              f"more than two voxels of {across:g} m: give it as strips or plates, "
                              "which fill whole voxels, or take a coarser grid.spacing")
            return False
        return True
