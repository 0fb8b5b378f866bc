"""Electrode rows: strips or plates that occupy whole voxels and conduct through all their faces.

A strip is a place (its faces towards the ore), a contact resistance shared over those faces
by area, and, where it serves as a cathode, a tank of catholyte between ore and metal.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.grid.grid import GHOST


def rasterise(box, grid):
    """Voxels that a box ((x0, y0, z0), (x1, y1, z1)) [m] stands for, as inner slices (k, j, i).

    Along each axis: those that it covers by at least half of the voxel, or, for a box thinner
    than that, the one voxel that holds its middle. Raises ValueError for a box that leaves
    the grid.
    """
    index = []
    for d, name in enumerate("xyz"):
        low, high = sorted((box[0][d], box[1][d]))
        start, end = grid.origin[d], grid.origin[d] + grid.size[d]
        slack = 1e-9 * grid.size[d]
        if low < start - slack or high > end + slack:
            raise ValueError(f"{name} from {low:g} to {high:g} m lies outside the grid "
                             f"({start:g} to {end:g} m)")
        first = int(np.floor((low - start) / grid.spacing[d] + 0.5 + 1e-9))
        last = int(np.floor((high - start) / grid.spacing[d] + 0.5 + 1e-9))
        if last <= first:
            middle = 0.5 * (low + high) - start
            first = min(int(np.floor(middle / grid.spacing[d] + 1e-9)), grid.cells[d] - 1)
            last = first + 1
        index.append(slice(first, last))
    return tuple(reversed(index))


def faces_of(solid, box_mask):
    """Faces between the voxels of `box_mask` and voxels outside `solid`, both inner masks.

    Returns (voxel, axis): flat padded index of the ore voxel, axis 0, 1, 2 = z, y, x.
    """
    pad = [(GHOST, GHOST)] * 3
    own, ore = np.pad(box_mask, pad), np.pad(~solid, pad)
    voxels, axes = [], []
    for axis in range(3):
        for shift in (1, -1):
            touched = np.flatnonzero(np.roll(own, shift, axis) & ore)
            voxels.append(touched)
            axes.append(np.full(touched.size, axis))
    return np.concatenate(voxels), np.concatenate(axes)


@dataclass(frozen=True)
class Faces:
    """The n faces of all strips towards ore, one entry each."""

    strip: np.ndarray       # number of the strip
    voxel: np.ndarray       # flat index of the ore voxel in a padded array
    axis: np.ndarray        # array axis across the face
    area: np.ndarray        # m2
    half: np.ndarray        # m, from the ore voxel's centre to the face
    resistance: np.ndarray  # ohm, the face's share of the strip's contact resistance


class Electrodes:
    """All strips of a case on its grid."""

    def __init__(self, grid, rows, overpotential):
        self.grid, self.overpotential = grid, overpotential
        self.rows = tuple(row.name for row in rows)
        self.solid = np.zeros(grid.shape, bool)      # voxels that hold metal instead of ore
        boxes = [(r, box) for r, row in enumerate(rows) for box in row.boxes]
        self.strip_row = np.array([r for r, _ in boxes], dtype=int)
        self.names = tuple(f"{row.name}.{n + 1}" for row in rows for n in range(len(row.boxes)))
        masks = []
        for r, box in boxes:
            mask = np.zeros(grid.shape, bool)
            mask[rasterise(box, grid)] = True
            self.solid |= mask
            masks.append(mask)
        self.masks = tuple(masks)
        self.ore = ~self.solid
        self.volume = np.array([rows[r].catholyte_volume for r, _ in boxes])      # m3
        self.faces = self._faces(masks, [rows[r].contact_resistance for r, _ in boxes])

    @property
    def strips(self):
        """Number of strips in all rows."""
        return self.strip_row.size

    def _faces(self, masks, contact):
        strip, voxel, axis, resistance = [], [], [], []
        for n, mask in enumerate(masks):
            v, a = faces_of(self.solid, mask)
            area = np.array([self.grid.face_area(q) for q in a])
            strip.append(np.full(v.size, n))
            voxel.append(v)
            axis.append(a)
            resistance.append(contact[n] * area.sum() / area)
        if not masks:
            strip = voxel = axis = resistance = [np.zeros(0, int)]
        axis = np.concatenate(axis)
        return Faces(np.concatenate(strip), np.concatenate(voxel), axis,
                     np.array([self.grid.face_area(q) for q in axis]),
                     np.array([0.5 * self.grid.step(q) for q in axis]),
                     np.concatenate(resistance).astype(float))

    def roles(self, drive):
        """+1 for faces of driven anodes, -1 of driven cathodes, 0 of idle rows."""
        sign = np.array([(row in drive.anodes) - 1 * (row in drive.cathodes) for row in self.rows],
                        dtype=int)
        return sign[self.strip_row[self.faces.strip]] if self.rows else np.zeros(0, int)

    def per_strip(self, values):
        """Sum of a value per face over the faces of every strip."""
        return np.bincount(self.faces.strip, values, minlength=self.strips)

    def per_row(self, strip_values):
        """Sum of a value per strip over the strips of every row."""
        return np.bincount(self.strip_row, strip_values, minlength=len(self.rows))
