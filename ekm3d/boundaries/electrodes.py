"""Electrode rows: strips or plates that occupy whole voxels and conduct through all their faces.

A strip has faces towards the ore, a contact resistance shared over those faces by area, and,
where it serves as a cathode, a tank of catholyte between ore and metal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ekm3d.boundaries.schedule import Drive
from ekm3d.grid.grid import Grid
from ekm3d.grid.rasterise import faces_of, rasterise


@dataclass(frozen=True)
class Faces:
    """Faces of electrodes, and of sides of the block, towards ore: arrays (n,)."""

    strip: np.ndarray       # number of the strip; strips + m for side m
    voxel: np.ndarray       # flat index of the ore voxel in a padded array
    axis: np.ndarray        # array axis across the face
    way: np.ndarray         # 1 where the way into the ore goes up the axis, else -1
    area: np.ndarray        # m2
    half: np.ndarray        # m, from the ore voxel's centre to the face
    resistance: np.ndarray  # ohm, the face's share of the strip's contact resistance


class Row(Protocol):
    """Electrode row as a case describes it."""

    name: str
    boxes: Sequence                 # of every strip: ((x0, y0, z0), (x1, y1, z1)) [m]
    contact_resistance: float       # ohm, of each strip
    catholyte_volume: float         # m3, of each strip; 0: no tank


class Electrodes:
    """Strips of all rows on the whole grid.

    rows, names: of the rows, of the strips; strip_row: (strips,) row of every strip; masks: inner
    voxels of every strip; solid, ore: inner masks of metal and of ore; active: that of voxels that
    hold either, None where all do; volume: (strips,) m3 of catholyte; faces: towards ore.
    """

    def __init__(self, grid: Grid, rows: Sequence[Row], overpotential: float,
                 active: np.ndarray | None = None):
        """overpotential: V, of anode and cathode together; active: inner mask of the voxels that
        hold ore where there is no metal, all if None."""
        self.grid, self.overpotential = grid, overpotential
        self.rows = tuple(row.name for row in rows)
        self.solid = np.zeros(grid.shape, bool)      # voxels that hold metal instead of ore
        boxes = [(r, box) for r, row in enumerate(rows) for box in row.boxes]
        self.strip_row = np.array([r for r, _ in boxes], dtype=int)
        self.names = tuple(f"{row.name}.{n + 1}" for row in rows for n in range(len(row.boxes)))
        masks = []
        for _, box in boxes:
            mask = np.zeros(grid.shape, bool)
            mask[rasterise(box, grid)] = True
            self.solid |= mask
            masks.append(mask)
        self.masks = tuple(masks)
        self.ore = ~self.solid if active is None else active & ~self.solid
        self.active = None if active is None else active | self.solid
        self.volume = np.array([rows[r].catholyte_volume for r, _ in boxes])      # m3
        self.faces = self._faces(masks, [rows[r].contact_resistance for r, _ in boxes])

    @property
    def strips(self) -> int:
        """Number of strips in all rows."""
        return self.strip_row.size

    def _faces(self, masks: Sequence[np.ndarray], contact: Sequence[float]) -> Faces:
        """Faces of all strips; contact: resistance [ohm] of each."""
        strip, voxel, axis, way, resistance = [], [], [], [], []
        for n, mask in enumerate(masks):
            v, a, w = faces_of(self.ore, mask)
            area = np.array([self.grid.face_area(q) for q in a])
            strip.append(np.full(v.size, n))
            voxel.append(v)
            axis.append(a)
            way.append(w)
            resistance.append(contact[n] * area.sum() / area)
        if not masks:
            strip = voxel = axis = way = resistance = [np.zeros(0, int)]
        across = np.concatenate(axis)
        return Faces(np.concatenate(strip), np.concatenate(voxel), across, np.concatenate(way),
                     np.array([self.grid.face_area(q) for q in across]),
                     np.array([0.5 * self.grid.spacing_along(q) for q in across]),
                     np.concatenate(resistance).astype(float))

    def roles(self, drive: Drive) -> np.ndarray:
        """Role of every face under a drive: +1 driven anode, -1 driven cathode, 0 idle."""
        sign = np.array([(row in drive.anodes) - 1 * (row in drive.cathodes) for row in self.rows],
                        dtype=int)
        return sign[self.strip_row[self.faces.strip]] if self.rows else np.zeros(0, int)

    def per_strip(self, values: np.ndarray) -> np.ndarray:
        """Sum of a value per face over the faces of every strip; (strips,)."""
        return np.bincount(self.faces.strip, values, minlength=self.strips)

    def per_row(self, strip_values: np.ndarray) -> np.ndarray:
        """Sum of a value per strip over the strips of every row; (rows,)."""
        return np.bincount(self.strip_row, strip_values, minlength=len(self.rows))
