"""Rods, wires and strips thinner than a voxel: where they give their current, and how well.

A line is cut into pieces, one per layer of voxels across it. The current of a piece is shared among
the voxels of its layer around it by linear weights, which keeps its place. In these voxels, which
stay ore,

    I_v = sigma_v reach_v (V - phi_v),      reach_v = w_v L / D_v                           [m]
    D_v = mean of V on the piece - phi_v    for one unit of current per length and sigma    [1]

in an endless medium with the block's sides as mirrors: V of the continuum (`line_potential`), phi_v
of the grid (`lattice_potential`), of all pieces within WINDOW of the largest spacing along the rod,
and of mirror images within BESIDE of it; beyond, both agree. So the resistance does not depend on
the grid. On the axis of cubes this is Peaceman's well (1978, 1983), reach = 2 pi L / ln(r_0/r_w),
r_0 = h exp(-gamma) / sqrt(8) = 0.198 h.

Where the conductivity differs along the axes, lengths u, v across the rod are stretched by
(sigma_v/sigma_u)^1/4 and its inverse, in which it is sqrt(sigma_u sigma_v) both ways; a circle
becomes an ellipse, whose line has the mean of its half axes as radius (Peaceman 1983): exact for
rods along an axis, and for others as if they were. Water has a reach of its own, by the
permeability.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np

from ekm3d.errors import InputError
from ekm3d.grid.grid import Grid
from ekm3d.grid.lattice_potential import lattice_potential, line_potential
from ekm3d.grid.rasterise import line_voxels

WINDOW = 16         # of the largest spacing, along the rod
BESIDE = 3          # of the same, to mirror images beside it: far less than WINDOW, see `_drops`
AROUND = 24         # points around a cross-section, at least, among which its current is shared
THIN = 0.1          # of a voxel: half a width up to which the axis stands for the surface
LEAST = 0.001        # D below which a voxel counts as part of the metal
GAUSS = np.polynomial.legendre.leggauss(4)


@dataclass(frozen=True)
class Rod:
    """Electrode thinner than a voxel, between two ends x, y, z [m].

    width, thickness: of its cross-section [m], both the diameter of a round one; across: unit
    vector along the width. resistance: along it [ohm/m]; fed: at its "start", "end" or "both".
    """

    start: tuple[float, ...]
    end: tuple[float, ...]
    width: float
    thickness: float
    round: bool = True
    across: tuple[float, ...] = (1.0, 0.0, 0.0)
    resistance: float = 0.0
    fed: str = "start"

    @property
    def length(self) -> float:
        """Length between the ends [m]."""
        return float(np.linalg.norm(np.subtract(self.end, self.start)))

    @property
    def radius(self) -> float:
        """Radius of the round rod of the same resistance [m]: a strip's is a quarter of its width.
        """
        return 0.5 * self.width if self.round else rectangle_radius(self.width, self.thickness)

    def stretched_radius(self, stretch: np.ndarray) -> float:
        """Return `radius` where lengths along x, y, z are stretched (3,) across the rod."""
        if (stretch == 1.0).all():
            return self.radius
        wide, thin = (float(np.linalg.norm(stretch * way)) for way in self._across())
        if self.round:
            return 0.25 * (wide + thin) * self.width
        return rectangle_radius(wide * self.width, thin * self.thickness)

    @property
    def perimeter(self) -> float:
        """Length around the cross-section [m]."""
        return np.pi * self.width if self.round else 2.0 * (self.width + self.thickness)

    @property
    def box(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Corners of the box around the axis."""
        both = np.array([self.start, self.end])
        return tuple(both.min(0).tolist()), tuple(both.max(0).tolist())

    def around(self, count: int) -> np.ndarray:
        """Return places (count, 3) around the axis that give equal parts of the current [m]."""
        wide, thin = self._across()
        angle = 2.0 * np.pi * (np.arange(count) + 0.5) / count
        return 0.5 * (self.width * np.cos(angle)[:, None] * wide
                      + self.thickness * np.sin(angle)[:, None] * thin)

    def _across(self):
        """Unit vectors along the width and along the thickness."""
        along = np.subtract(self.end, self.start) / self.length
        wide = np.subtract(self.across, np.dot(self.across, along) * along)
        wide = wide / np.linalg.norm(wide)
        return wide, np.cross(along, wide)


@dataclass(frozen=True)
class Openings:
    """Voxels that a rod gives its current to: arrays (n,), piece after piece from its start.

    index: (n, 3) k, j, i; piece: number of the piece; reach, water: conductance over sigma, over K
    of water [m]; area: part of the surface [m2]; lengths: (pieces,) m; tight: True where the metal
    fills the voxel.
    """

    index: np.ndarray
    piece: np.ndarray
    reach: np.ndarray
    water: np.ndarray
    area: np.ndarray
    lengths: np.ndarray
    tight: np.ndarray


def rectangle_radius(width: float, thickness: float) -> float:
    """Return the radius of the round rod with the capacity of a rectangle's [m].

    width = 4 r (E(k) - k'^2 K(k)), thickness = 4 r (E(k') - k^2 K(k')), with k^2 + k'^2 = 1
    (Polya and Szego 1951): a quarter of the width of a thin strip, 0.590 of the side of a square.
    """
    from scipy.special import ellipe, ellipk  # imported here: it costs 0.1 s

    long, short = max(width, thickness), min(width, thickness)
    if short <= 1e-9 * long:
        return 0.25 * long

    def sides(m):
        return ellipe(m) - (1.0 - m) * ellipk(m), ellipe(1.0 - m) - m * ellipk(1.0 - m)

    low, high = 0.5, 1.0 - 1e-15
    for _ in range(100):
        m = 0.5 * (low + high)
        a, b = sides(m)
        low, high = (m, high) if b * long > a * short else (low, m)
    return float(long / (4.0 * sides(low)[0]))


def openings(rod: Rod, grid: Grid, ore: np.ndarray, air: np.ndarray | None = None,
             ratio: np.ndarray | None = None, for_water: np.ndarray | None = None) -> Openings:
    """Return the Openings of a rod; ore, air: (nz, ny, nx), voxels that can take current, and that
    take no part; ratio: (3, nz, ny, nx) conductivity along z, y, x over that along x, 1 if None;
    for_water: the same of the permeability.

    What of a rod lies in the air gives no current, but resists along itself. InputError where a rod
    leaves the block, passes voxels that are neither ore nor air, or lies in the air wholly.
    """
    spacing, origin, cells = (np.array(a) for a in (grid.spacing, grid.origin, grid.cells))
    ends = (np.array([rod.start, rod.end]) - origin) / spacing          # in voxels
    if (ends < -1e-9 * cells).any() or (ends > cells * (1 + 1e-9)).any():
        raise InputError(f"from {_place(rod.start)} to {_place(rod.end)} leaves the block, which "
                         f"lies between {_place(origin)} and {_place(origin + grid.size)}")
    rod = _with_ends(rod, grid, ore)
    ends = np.clip((np.array([rod.start, rod.end]) - origin) / spacing, 0.0, cells)
    axis = int(np.abs(ends[1] - ends[0]).argmax())
    cuts = _cuts(*ends[:, axis])
    layer = np.clip(np.floor(0.5 * (cuts[1:] + cuts[:-1]) * (ends[1, axis] - ends[0, axis])
                             + ends[0, axis]), 0, cells[axis] - 1).astype(int)
    around = rod.around(max(AROUND, 4 * int(np.ceil((rod.width / spacing).max())))) / spacing
    thin = np.delete(np.abs(around), axis, axis=1).max() < THIN
    shares = [_shares(ends[0] + (a + (b - a) * _places(ends, axis)[:, None]) * (ends[1] - ends[0]),
                      around, thin, axis, k, cells, ore, air)
              for a, b, k in zip(cuts[:-1], cuts[1:], layer, strict=True)]
    index = np.concatenate([np.array(sorted(one), int).reshape(-1, 3) for one, _ in shares])
    if not len(index):
        raise InputError(f"from {_place(rod.start)} to {_place(rod.end)} passes no ore")
    weight = np.concatenate([np.array([one[at] for at in sorted(one)]) for one, _ in shares])
    piece = np.repeat(np.arange(len(shares)), [len(one) for one, _ in shares])
    lengths = rod.length * np.diff(cuts)
    inside = np.array([part for _, part in shares])
    points = np.array(rod.start) + cuts[:, None] * np.subtract(rod.end, rod.start) - origin
    current = weight * lengths[piece]

    def drops(stretch):
        return _drops(grid, axis, index, piece, current, lengths, points,
                      rod.stretched_radius(stretch), stretch)

    stretch, of_water = _stretch(ratio, axis, index), _stretch(for_water, axis, index)
    drop = drops(stretch)
    water = drop if (of_water == stretch).all() else drops(of_water)
    area = weight * (rod.perimeter * inside * lengths)[piece]
    return Openings(index[:, ::-1], piece, current / np.maximum(drop, LEAST),
                    current / np.maximum(water, LEAST), area, lengths, drop < LEAST)


def surface_voxels(rod: Rod, grid: Grid) -> tuple[np.ndarray, ...]:
    """Return the index (k, j, i) of the voxels that a rod's axis and surface pass."""
    return axis_voxels(rod, grid, [(0.0, 0.0, 0.0), *(rod.around(AROUND) * (1.0 - 1e-9))])


def axis_voxels(rod: Rod, grid: Grid,
                beside: Sequence = ((0.0, 0.0, 0.0),)) -> tuple[np.ndarray, ...]:
    """Return the index (k, j, i) of the voxels that the axis of a rod passes.

    beside: (n, 3) m from the axis to lines that are followed in its place. A rod that ends on the
    face of two voxels does not pass the farther one.
    """
    return line_voxels(rod.start, rod.end, grid, beside)


def _place(point):
    return "({:g}, {:g}, {:g}) m".format(*point)


def _with_ends(rod, grid, ore):
    """Rod made longer by the surface of its flat ends over its perimeter, where there is ore.

    A closed cylinder of 25 radii has 1.03 times the conductance of its line, and with half a radius
    more at each end that of Smythe (1962) to 0.1 %.
    """
    face = 0.25 * np.pi * rod.width ** 2 if rod.round else rod.width * rod.thickness
    more = face / rod.perimeter / rod.length * np.subtract(rod.end, rod.start)
    places = {}
    for name, sign in (("start", -1.0), ("end", 1.0)):
        point = np.add(getattr(rod, name), sign * more)
        at = grid.voxel_at(point)
        if at is not None and ore[at]:
            places[name] = tuple(point.tolist())
    return replace(rod, **places)


def _cuts(start, end):
    """Parts of the way from 0 to 1 at which a line changes the layer; start, end: in voxels."""
    low, high = sorted((start, end))
    planes = np.arange(np.floor(low) + 1, np.ceil(high))
    planes = planes[(planes > low + 1e-9) & (planes < high - 1e-9)]
    return np.concatenate([[0.0], np.sort((planes - start) / (end - start)), [1.0]])


def _places(ends, axis):
    """Places in a piece, from 0 to 1, that stand for it."""
    oblique = np.delete(np.abs(ends[1] - ends[0]), axis).max() > 1e-9
    return 0.5 + 0.5 * GAUSS[0] if oblique else np.array([0.5])


def _shares(points, around, thin, axis, layer, cells, ore, air):
    """({(i, j, k): share of a piece's current}, part of the surface inside the block).

    points: (m, 3) on the axis, around: (n, 3) from it to the surface, in voxels; thin: the axis
    stands for the surface. Shares add up to 1 less the part in the air.
    """
    weights = 0.5 * GAUSS[1] if len(points) > 1 else np.ones(1)
    shares: dict[tuple[int, ...], float] = {}
    inside = 0.0
    across = [d for d in range(3) if d != axis]
    for point, weight in zip(points, weights, strict=True):
        placed = point + around
        placed[:, axis] = layer + 0.5
        within = np.delete((placed > 0) & (placed < cells), axis, axis=1).all(1)
        inside += weight * within.mean()
        if thin:
            placed = point[None].copy()
            placed[:, axis] = layer + 0.5
        placed = np.where(placed < 0, -placed, placed)
        placed = np.where(placed > cells, 2 * cells - placed, placed)
        home = np.clip(np.floor(placed), 0, cells - 1).astype(int)
        each = weight / len(placed)
        if air is not None:
            kept = ~air[home[:, 2], home[:, 1], home[:, 0]]
            placed, home = placed[kept], home[kept]
        below = np.floor(placed - 0.5)
        part = placed - 0.5 - below
        for up in product((0, 1), repeat=2):
            near, share = home.copy(), np.full(len(placed), each)
            for d, high in zip(across, up, strict=True):
                near[:, d] = np.clip(below[:, d] + high, 0, cells[d] - 1)
                share = share * (part[:, d] if high else 1.0 - part[:, d])
            at_home = ~ore[near[:, 2], near[:, 1], near[:, 0]]
            near[at_home] = home[at_home]
            for at, value in zip(map(tuple, near.tolist()), share.tolist(), strict=True):
                if value > 1e-12:
                    shares[at] = shares.get(at, 0.0) + value
    for i, j, k in shares:
        if not ore[k, j, i]:
            raise InputError(f"passes the voxel [{k}, {j}, {i}], which holds no ore")
    total = sum(shares.values()) if air is None else 1.0
    return {at: value / total for at, value in shares.items()}, inside


def _stretch(ratio, axis, index):
    """Return by how much lengths along x, y, z are stretched (3,), 1 along `axis`.

    By the geometric means over the rod's voxels; index: (n, 3) i, j, k.
    """
    stretch = np.ones(3)
    if ratio is not None:
        u, v = (d for d in range(3) if d != axis)
        logs = np.log(np.maximum(ratio[(slice(None), *index[:, ::-1].T)], 1e-300)).mean(1)[::-1]
        stretch[u] = np.exp(0.25 * (logs[v] - logs[u]))
        stretch[v] = 1.0 / stretch[u]
    return stretch


def _drops(grid, axis, index, piece, current, lengths, points, radius, stretch):
    """D of every opening: V on its piece less phi of its voxel, (n,).

    axis: across the layers; index: (n, 3) i, j, k; current: (n,) of the openings [m]; lengths:
    (pieces,) m; points: (pieces + 1, 3) m from the block's corner, between which the pieces lie;
    radius: of the line [m] after lengths are stretched (3,).
    A piece in the air gives current by the part of it that is not. Where a window ends,
    sums over layers and integrals differ by h^2/12 of the slope there: of images at distances up
    to that of the ends this would add up to h^2/24 over the area for each image.
    """
    spacing, cells = np.array(grid.spacing) * stretch, np.array(grid.cells)
    points = points * stretch
    within = np.full(3, float(BESIDE))
    within[axis] = WINDOW
    reach = np.ceil(within * spacing.max() / spacing).astype(int)
    middle = np.clip(np.floor(0.5 * (points[1:] + points[:-1]) / spacing), 0, cells - 1).astype(int)
    images = _images(middle, index, points, cells, spacing, reach)
    drop = np.zeros(len(index))
    if (stretch != 1.0).any():                  # a line gives as much as before it was stretched
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    gives = np.round(np.bincount(piece, current, minlength=len(middle)) / lengths, 12)
    for p in np.unique(piece):
        own = np.flatnonzero(piece == p)
        sources, amounts, begins, ends, parts = [], [], [], [], []
        for own_line, centres, voxels, places in images:
            near = np.abs(centres - middle[p]) <= reach
            near = near[:, axis] if own_line else near.all(1)
            chosen = near[piece]
            sources.append(voxels[chosen] - middle[p])
            amounts.append(current[chosen])
            begins.append(places[:-1][near])
            ends.append(places[1:][near])
            parts.append(gives[near])
        offset = spacing * (middle[p] + 0.5)
        begin, end = (np.round(np.concatenate(a) - offset, 12) + 0.0 for a in (begins, ends))
        drop[own] = _drop(tuple(spacing.tolist()), radius,
                          *(a.tobytes() for a in (
                              np.concatenate(sources), np.round(np.concatenate(amounts), 15),
                              begin, end, np.concatenate(parts), index[own] - middle[p],
                              np.round(points[[p, p + 1]] - offset, 12) + 0.0)))
    return drop


@lru_cache(maxsize=4096)
def _drop(spacing, radius, sources, amounts, begin, end, gives, targets, own):
    """D of the openings of one piece, from places relative to it; cached, as most pieces are alike.
    """
    sources, targets = (np.frombuffer(a, int).reshape(-1, 3) for a in (sources, targets))
    begin, end, own = (np.frombuffer(a).reshape(-1, 3) for a in (begin, end, own))
    way = np.abs(targets[:, None] - sources[None])
    unique, at = np.unique(way.reshape(-1, 3), axis=0, return_inverse=True)
    table = lattice_potential(unique, np.array(spacing))
    grid = (table[at.ravel()].reshape(way.shape[:2]) * np.frombuffer(amounts)).sum(1)
    length = np.linalg.norm(end - begin, axis=1) * np.frombuffer(gives)
    line = 0.0
    for place, weight in zip(*GAUSS, strict=True):
        point = own[0] + (0.5 + 0.5 * place) * (own[1] - own[0])
        line += 0.5 * weight * (length * line_potential(point, begin, end, radius)).sum()
    return line - grid


def _images(middle, index, points, cells, spacing, reach):
    """Return (True for the rod, centres, voxels, places) of the pieces and their mirror images.

    In a side of the block a voxel i becomes -1 - i and a place x becomes -x; both repeat every two
    blocks.
    """
    ways = []
    for d in range(3):
        low, high = middle[:, d].min(), middle[:, d].max()
        found, most = [], int(reach[d] // (2 * cells[d])) + 2
        for turns in range(-most, most + 1):
            for sign in (1, -1):
                ends = [sign * m + 2 * turns * cells[d] - (sign < 0) for m in (low, high)]
                if min(ends) <= high + reach[d] and max(ends) >= low - reach[d]:
                    found.append((sign, 2 * turns * cells[d]))
        ways.append(found)
    images = []
    for way in product(*ways):
        sign = np.array([s for s, _ in way])
        shift = np.array([t for _, t in way])
        voxels = shift - (sign < 0)
        images.append((not shift.any() and bool((sign > 0).all()), sign * middle + voxels,
                       sign * index + voxels, sign * points + shift * spacing))
    return images
