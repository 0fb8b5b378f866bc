"""Electrode rows: strips or plates that fill whole voxels, and rods thinner than those (`rods`).

An electrode has faces towards the ore, a contact resistance shared over those faces by area, and,
where it serves as a cathode, a tank of catholyte between ore and metal. The faces of a rod lie
inside voxels, which stay ore.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ekm3d.boundaries.rods import Rod, openings
from ekm3d.boundaries.schedule import Drive
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.rasterise import faces_of, rasterise

NOWHERE = (slice(0, 0),) * 3


@dataclass(frozen=True)
class Faces:
    """Faces of electrodes, and of sides of the block, towards ore: arrays (n,)."""

    strip: np.ndarray       # number of the strip; strips + m for side m
    voxel: np.ndarray       # flat index of the ore voxel in a padded array
    axis: np.ndarray        # array axis across the face; -1 inside a voxel
    way: np.ndarray         # 1 where the way into the ore goes up the axis, else -1; 0 inside
    area: np.ndarray        # m2
    half: np.ndarray        # m, from the ore voxel's centre to the face; area / half is the
    #                         conductance over sigma, also of a rod
    water: np.ndarray       # m, the same of water: area / water is its conductance over K
    resistance: np.ndarray  # ohm, the face's share of the strip's contact resistance
    along: np.ndarray       # (n, 3) x, y, z: unit vector along a rod; 0 of other faces


class Row(Protocol):
    """Electrode row as a case describes it."""

    name: str
    boxes: Sequence                 # of every strip: ((x0, y0, z0), (x1, y1, z1)) [m]
    contact_resistance: float       # ohm, of each electrode
    catholyte_volume: float         # m3, of each electrode; 0: no tank

    # Optional: rods, Sequence[Rod]; contact_resistivity, ohm m2; ageing, per C/m2 and per s.


class Electrodes:
    """Strips of all rows on the whole grid.

    rows, names: of the rows, of the strips; strip_row: (strips,) row of every strip; places: inner
    slices (k, j, i) of every strip's metal, () of a rod; masks: inner voxels of every strip; solid,
    ore: inner masks of metal and of ore; active: that of voxels that hold either, None where all
    do; volume: (strips,) m3 of catholyte; faces: towards ore.
    """

    def __init__(self, grid: Grid, rows: Sequence[Row], overpotential: float,
                 active: np.ndarray | None = None, tafel: Sequence = (None, None),
                 ratio: np.ndarray | None = None, for_water: np.ndarray | None = None):
        """overpotential: V, of anode and cathode together; active: inner mask of the voxels that
        hold ore where there is no metal, all if None; tafel: (a [V], b [V], i_0 [A/m2]) of the
        anodes and of the cathodes, None without; ratio: (3, nz, ny, nx) conductivity along z, y, x
        over that along x, 1 if None; for_water: the same of the permeability."""
        self.grid, self.overpotential, self.tafel = grid, overpotential, tuple(tafel)
        self.rows = tuple(row.name for row in rows)
        self.solid = np.zeros(grid.shape, bool)      # voxels that hold metal instead of ore
        shapes = [(r, shape) for r, row in enumerate(rows)
                  for shape in (*row.boxes, *getattr(row, "rods", ()))]
        self.shapes = tuple(shape for _, shape in shapes)
        self.strip_row = np.array([r for r, _ in shapes], dtype=int)
        self.names = tuple(f"{rows[r].name}.{n + 1}" for r in range(len(rows))
                           for n in range(int((self.strip_row == r).sum())))
        self.places = tuple(() if isinstance(shape, Rod) else rasterise(shape, grid)
                            for shape in self.shapes)
        masks, no_metal = [], np.zeros(grid.shape, bool)
        for place in self.places:
            mask = no_metal
            if place:
                mask = np.zeros(grid.shape, bool)
                mask[place] = self.solid[place] = True
            masks.append(mask)
        self.masks = tuple(masks)
        self.ore = ~self.solid if active is None else active & ~self.solid
        self.active = None if active is None else active | self.solid
        self.volume = np.array([rows[r].catholyte_volume for r, _ in shapes])      # m3
        air = None if self.active is None else ~self.active
        self.openings = {n: openings(shape, grid, self.ore, air, ratio, for_water)
                         for n, shape in enumerate(self.shapes) if isinstance(shape, Rod)}
        self.faces = self._faces(
            [rows[r].contact_resistance for r, _ in shapes],
            [getattr(rows[r], "contact_resistivity", 0.0) for r, _ in shapes])
        self.area = np.bincount(self.faces.strip, self.faces.area, minlength=len(shapes))     # m2
        self.ageing = np.array([getattr(rows[r], "ageing", (0.0, 0.0)) for r, _ in shapes],
                               float).reshape(-1, 2)        # of the contact, per C/m2 and per s

    @property
    def strips(self) -> int:
        """Number of strips in all rows."""
        return self.strip_row.size

    def _faces(self, contact: Sequence[float], per_area: Sequence[float]) -> Faces:
        """Faces of all electrodes; contact: resistance [ohm] of each, per_area: [ohm m2]."""
        parts = [self._of_metal(place) if place else self._of_rod(n)
                 for n, place in enumerate(self.places)]
        if not parts:
            parts, contact, per_area = [self._of_metal(NOWHERE)], [0.0], [0.0]
        voxel, axis, way, area, half, water, along = (np.concatenate(a)
                                                      for a in zip(*parts, strict=True))
        resistance = [own * part[3].sum() / part[3] + each / part[3]
                      for own, each, part in zip(contact, per_area, parts, strict=True)]
        strip = np.repeat(np.arange(len(parts)), [part[0].size for part in parts])
        return Faces(strip, voxel, axis, way, area, half, water,
                     np.concatenate(resistance).astype(float), along)

    def _of_metal(self, place: tuple[slice, ...]) -> tuple[np.ndarray, ...]:
        """(voxel, axis, way, area, half, water, along) of the faces around whole voxels of metal.
        """
        voxel, axis, way = faces_of(self.ore, place)
        half = np.array([0.5 * self.grid.spacing_along(a) for a in range(3)])[axis]
        area = np.array([self.grid.face_area(a) for a in range(3)])[axis]
        return voxel, axis, way, area, half, half, np.zeros((axis.size, 3))

    def _of_rod(self, n: int) -> tuple[np.ndarray, ...]:
        """(voxel, axis, way, area, half, water, along) of the openings of rod n into voxels."""
        found, rod = self.openings[n], self.shapes[n]
        voxel = np.ravel_multi_index(tuple((found.index + GHOST).T), self.grid.padded)
        m = voxel.size
        along = np.subtract(rod.end, rod.start) / rod.length
        return (voxel, np.full(m, -1), np.zeros(m, int), found.area, found.area / found.reach,
                found.area / found.water, np.tile(along, (m, 1)))

    def roles(self, drive: Drive) -> np.ndarray:
        """Role of every face under a drive: +1 driven anode, -1 driven cathode, 0 idle."""
        sign = np.array([(row in drive.anodes) - 1 * (row in drive.cathodes) for row in self.rows],
                        dtype=int)
        return sign[self.strip_row[self.faces.strip]] if self.rows else np.zeros(0, int)

    def growth(self, charge: np.ndarray, time: float) -> np.ndarray:
        """Return contact resistance over the first one, (strips,); 1 + k_Q Q/A + k_t t.

        charge: (strips,) that has passed, of either sign [C]; time: s.
        """
        area = np.where(self.area > 0, self.area, 1.0)
        return 1.0 + self.ageing[:, 0] * charge / area + self.ageing[:, 1] * time

    def per_strip(self, values: np.ndarray) -> np.ndarray:
        """Sum of a value per face over the faces of every strip; (strips,)."""
        return np.bincount(self.faces.strip, values, minlength=self.strips)

    def per_row(self, strip_values: np.ndarray) -> np.ndarray:
        """Sum of a value per strip over the strips of every row; (rows,)."""
        return np.bincount(self.strip_row, strip_values, minlength=len(self.rows))
