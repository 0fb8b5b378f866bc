"""Solids as the stretches of vertical lines that lie inside them, and their share of every voxel.

A solid gives, for lines at (x, y), edges (E, n) that rise along the first axis and flags (E - 1, n)
of the stretches between them. Unions, differences and intersections work on these; the length of a
line in a voxel is exact, so only x and y are sampled.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ekm3d.grid.grid import Grid

FAR = 1e12              # m, beyond every block
CHUNK = 200_000         # lines that are taken at a time
Stretches = tuple[np.ndarray, np.ndarray]       # edges (E, n), inside (E - 1, n)
Heights = Callable[[np.ndarray, np.ndarray], np.ndarray]        # of a surface at x, y (n,) [m]


class Solid(Protocol):
    """Body in space."""

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""


def interval(low: Any, high: Any, inside: np.ndarray) -> Stretches:
    """Return the stretches from low to high (n,), where inside (n,) is set."""
    low, high = np.broadcast_to(low, inside.shape), np.broadcast_to(high, inside.shape)
    return np.stack([low, np.maximum(low, high)]), (inside & (high > low))[None]


class Below:
    """All that lies below a surface."""

    def __init__(self, surface: Heights):
        self.surface = surface

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""
        return interval(-FAR, self.surface(x, y), np.ones(x.shape, bool))


class Between:
    """All that lies between two surfaces; ValueError where the lower one is above the upper."""

    def __init__(self, lower: Heights, upper: Heights):
        self.lower, self.upper = lower, upper

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""
        low, high = self.lower(x, y), self.upper(x, y)
        over = low - high
        if over.max() > 1e-9 * max(1.0, float(np.abs(low).max())):
            n = int(over.argmax())
            raise ValueError(f"the surfaces cross: at ({x[n]:g}, {y[n]:g}) m the lower one is at "
                             f"{low[n]:g} m, above the upper one at {high[n]:g} m; cut one at the "
                             "other, or list them the other way round")
        return interval(low, high, np.ones(x.shape, bool))


class Box:
    """Box between two corners x, y, z [m]."""

    def __init__(self, low: Sequence[float], high: Sequence[float]):
        self.low, self.high = low, high

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""
        inside = ((x >= self.low[0]) & (x <= self.high[0])
                  & (y >= self.low[1]) & (y <= self.high[1]))
        return interval(self.low[2], self.high[2], inside)


class Sphere:
    """Sphere of a centre x, y, z and a radius [m]."""

    def __init__(self, centre: Sequence[float], radius: float):
        self.centre, self.radius = centre, radius

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""
        square = self.radius**2 - (x - self.centre[0])**2 - (y - self.centre[1])**2
        half = np.sqrt(np.maximum(square, 0.0))
        return interval(self.centre[2] - half, self.centre[2] + half, square > 0)


class Cylinder:
    """Cylinder between the middles of its ends x, y, z, with a radius [m]; of any direction."""

    def __init__(self, start: Sequence[float], end: Sequence[float], radius: float):
        self.start, self.radius = np.array(start, float), radius
        way = np.array(end, float) - self.start
        self.length = float(np.linalg.norm(way))
        self.axis = way / self.length

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""
        # A point (dx, dy, t) of a line has the height a t + h along the axis; its distance from
        # the axis squared is b t^2 - 2 a h t + d2, b = 1 - a^2.
        a = self.axis[2]
        dx, dy = x - self.start[0], y - self.start[1]
        h = dx * self.axis[0] + dy * self.axis[1]
        d2, b = dx * dx + dy * dy - h * h, 1.0 - a * a
        if b > 1e-12:
            root = a * a * h * h - b * (d2 - self.radius**2)
            half = np.sqrt(np.maximum(root, 0.0))
            low, high, inside = (a * h - half) / b, (a * h + half) / b, root > 0
        else:
            low, high = np.full(x.shape, -FAR), np.full(x.shape, FAR)
            inside = d2 < self.radius**2
        if abs(a) > 1e-12:                                  # between the planes of both ends
            ends = np.sort([-h / a, (self.length - h) / a], axis=0)
            low, high = np.maximum(low, ends[0]), np.minimum(high, ends[1])
        else:
            inside = inside & (h >= 0) & (h <= self.length)
        return interval(low + self.start[2], high + self.start[2], inside)


class Prism:
    """Polygon of corners (m, 2) [m], extruded from a bottom to a top height [m]."""

    def __init__(self, corners: np.ndarray, bottom: float, top: float):
        self.corners, self.bottom, self.top = np.asarray(corners, float), bottom, top

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""
        inside = np.zeros(x.shape, bool)
        for (x0, y0), (x1, y1) in zip(self.corners, np.roll(self.corners, -1, 0), strict=True):
            if y0 != y1:
                crosses = (y0 > y) != (y1 > y)
                inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        return interval(self.bottom, self.top, inside)


class Boxes:
    """Body of many upright boxes between corners (m, 3) [m], such as those of a block model."""

    def __init__(self, low: np.ndarray, high: np.ndarray):
        self.low, self.high = np.asarray(low, float), np.asarray(high, float)

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""
        line, box = lines_within(self.low[:, :2], self.high[:, :2], x, y)
        at = np.concatenate([line, line])
        z = np.concatenate([self.low[box, 2], self.high[box, 2]])
        enters = np.repeat([1, -1], line.size)
        order = np.lexsort((-enters, z, at))
        at, z, enters = at[order], z[order], enters[order]
        count = np.bincount(at, minlength=x.size)
        place = np.arange(at.size) - np.repeat(np.cumsum(count) - count, count)
        edges = np.full((max(int(count.max(initial=0)), 2), x.size), FAR)
        inside = np.zeros((len(edges), x.size), bool)
        edges[place, at], inside[place, at] = z, np.cumsum(enters) > 0
        return edges, inside[:-1]


class Combination:
    """Union, intersection, or what is in the first of some solids and in none of the others."""

    def __init__(self, kind: str, parts: Sequence[Solid]):
        """kind: "union" | "intersection" | "difference"."""
        self.kind, self.parts = kind, tuple(parts)

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]."""
        found = [part.stretches(x, y) for part in self.parts]
        edges = np.sort(np.concatenate([edge for edge, _ in found]), axis=0)
        middle = 0.5 * (edges[1:] + edges[:-1])
        inside = [_holds(one, middle) for one in found]
        if self.kind == "union":
            return edges, np.any(inside, axis=0)
        if self.kind == "intersection":
            return edges, np.all(inside, axis=0)
        return edges, inside[0] & ~np.any(inside[1:], axis=0)


def _holds(stretches: Stretches, heights: np.ndarray) -> np.ndarray:
    """Return which heights (m, n) lie inside the stretches."""
    edges, inside = stretches
    out = np.zeros(heights.shape, bool)
    for low, high, flag in zip(edges[:-1], edges[1:], inside, strict=True):
        out |= flag & (heights > low) & (heights < high)
    return out


def lines_within(low: np.ndarray, high: np.ndarray, x: np.ndarray, y: np.ndarray
                 ) -> tuple[np.ndarray, np.ndarray]:
    """Return (line, rectangle) of all vertical lines at x, y (n,) within rectangles (m, 2) in plan.

    The lines lie in few rows of equal y.
    """
    order = np.lexsort((x, y))                  # rows of lines, x rising in each
    xs, ys = x[order], y[order]
    rows = np.unique(ys)
    starts = np.searchsorted(ys, rows)
    ends = np.append(starts[1:], ys.size)
    first, last = np.searchsorted(rows, low[:, 1]), np.searchsorted(rows, high[:, 1], "right")
    found = [(np.zeros(0, int), np.zeros(0, int))]
    for r, (start, end) in enumerate(zip(starts, ends, strict=True)):
        here = np.flatnonzero((first <= r) & (r < last))
        begin = np.searchsorted(xs[start:end], low[here, 0])
        count = np.searchsorted(xs[start:end], high[here, 0], "right") - begin
        place = np.arange(count.sum()) + np.repeat(begin - np.cumsum(count) + count, count)
        found.append((order[start + place], np.repeat(here, count)))
    return np.concatenate([n for n, _ in found]), np.concatenate([m for _, m in found])


def outside(solid: Solid) -> Solid:
    """Return all that is not in a solid."""
    return Combination("difference", [Below(lambda x, y: np.full(x.shape, FAR)), solid])


def shares(grid: Grid, solids: Sequence[Solid], columns: int) -> np.ndarray:
    """Return the share of every voxel that lies in each solid: (solids, nz, ny, nx).

    columns: vertical lines across a voxel, along x and along y. ValueError as of the solids.
    """
    out = np.empty((len(solids), *grid.shape))
    x = lines(grid, 2, columns)
    rows = max(1, CHUNK // (x.size * columns))
    z = grid.origin[2] + grid.spacing[2] * np.arange(grid.cells[2] + 1)
    for first in range(0, grid.cells[1], rows):
        y = lines(grid, 1, columns)[first * columns:(first + rows) * columns]
        at = [a.ravel() for a in np.meshgrid(x, y)]
        for n, solid in enumerate(solids):
            edges, inside = solid.stretches(*at)
            edges, below = np.clip(edges, z[0], z[-1]), np.zeros(at[0].size)
            for k in range(grid.cells[2]):
                above = _length(edges, inside, z[k + 1])
                part = (above - below).reshape(-1, columns, grid.cells[0], columns)
                out[n, k, first:first + rows] = part.mean(axis=(1, 3)) / grid.spacing[2]
                below = above
    return np.clip(out, 0.0, 1.0)


def lines(grid: Grid, axis: int, columns: int) -> np.ndarray:
    """Return the places of the lines along array axis 1, 2 = y, x [m]."""
    n = np.arange(grid.shape[axis] * columns)
    return grid.origin[2 - axis] + grid.spacing_along(axis) / columns * (n + 0.5)


def _length(edges: np.ndarray, inside: np.ndarray, height: float) -> np.ndarray:
    """Return the length of lines inside a solid, below a height (n,) [m]."""
    total = np.zeros(edges.shape[1])
    for low, high, flag in zip(edges[:-1], edges[1:], inside, strict=True):
        total += np.where(flag, np.minimum(high, height) - np.minimum(low, height), 0.0)
    return total
