"""Every face through which the block meets something else: electrodes and sides.

An electrode's face is metal, or the tank before it; a side's face is a reservoir, a terminal,
or both. What a face does depends on the drive:

    ACID      anode: current enters as H+                       link = ore's half voxel + contact
    BASE      cathode without a tank: OH- enters the ore        the same
    TANK      cathode with a tank: all species pass             Nernst-Planck face + contact
    FLOATING  wired rows without a supply: H+ or OH- by the current's sign
    RESERVOIR side with a composition: all species pass         Nernst-Planck face
    TERMINAL  side with a potential or current only             ore's half voxel
    CLOSED    nothing passes

Faces that carry current belong to groups, each at one potential: given, or found from the
current that the group is to carry.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.boundaries.electrodes import Faces
from ekm3d.grid.grid import GHOST

CLOSED, ANODE, BARE_CATHODE, TANK, FLOATING, RESERVOIR, TERMINAL = range(7)
PASSING = (TANK, RESERVOIR)        # species cross the face
METAL = (ANODE, BARE_CATHODE, FLOATING)     # current turns into acid or base in the ore


@dataclass(frozen=True)
class Group:
    """Faces at one potential: a given level [V, per face], or the current [A] into the ore."""

    faces: np.ndarray            # numbers of the faces
    level: object = 0.0          # V; a number or one per face; the first guess if current is given
    current: float = None        # A into the ore; None: the level is given
    limit: float = None          # V, the highest level that the supply gives


class BoundaryFaces:
    """Electrodes and sides of a block as one list of faces."""

    def __init__(self, grid, electrodes, sides=(), given=()):
        """sides: as a case describes them, each with face, axis, upper, composition, ...;
        given: for each side the fixed flux of every component into the block [mol/m2/s]."""
        self.grid, self.electrodes, self.sides = grid, electrodes, tuple(sides)
        self.given = tuple(given)
        parts = [electrodes.faces] + [self._side(n, side) for n, side in enumerate(self.sides)]
        self.faces = Faces(*(np.concatenate([getattr(p, name) for p in parts])
                             for name in Faces.__dataclass_fields__))
        self.count = electrodes.strips + len(self.sides)       # places: strips, then sides
        self.known = {}                                        # names of rows -> their faces

    def _side(self, n, side):
        """Faces of one side of the block; its number comes after the strips'."""
        shape = self.grid.shape
        index = [np.arange(GHOST, GHOST + m) for m in shape]
        index[side.axis] = index[side.axis][-1:] if side.upper else index[side.axis][:1]
        voxel = np.ravel_multi_index(np.meshgrid(*index, indexing="ij"), self.grid.padded).ravel()
        ore = np.pad(self.electrodes.ore, GHOST).ravel()[voxel]
        m = voxel.size
        return Faces(np.full(m, self.electrodes.strips + n), voxel, np.full(m, side.axis),
                     np.where(ore, self.grid.face_area(side.axis), 0.0),
                     np.full(m, 0.5 * self.grid.step(side.axis)), np.zeros(m))

    def of_side(self, n):
        """Numbers of the faces of side n."""
        return np.flatnonzero(self.faces.strip == self.electrodes.strips + n)

    def of_rows(self, names):
        """Numbers of the faces of the rows of these names."""
        key, el = tuple(names), self.electrodes
        if key not in self.known:
            rows = [el.rows.index(name) for name in names]
            self.known[key] = np.flatnonzero(np.isin(el.strip_row[el.faces.strip], rows))
        return self.known[key]

    def kinds(self, drive):
        """What every face does under this drive."""
        el, kind = self.electrodes, np.full(self.faces.strip.size, CLOSED)
        kind[self.of_rows(drive.anodes)] = ANODE
        cathode = self.of_rows(drive.cathodes)
        kind[cathode] = np.where(el.volume[el.faces.strip[cathode]] > 0, TANK, BARE_CATHODE)
        for names in drive.floating:
            kind[self.of_rows(names)] = FLOATING
        for n, side in enumerate(self.sides):
            if side.composition is not None and side.contact == "diffusive":
                kind[self.of_side(n)] = RESERVOIR
            elif side.potential is not None or side.current is not None:
                kind[self.of_side(n)] = TERMINAL
        return kind

    def groups(self, drive, overpotential):
        """The Groups that carry current under this drive."""
        groups = []
        if drive.on:
            anodes = self.of_rows(drive.anodes)
            if drive.current is None:
                groups.append(Group(anodes, (drive.voltage - overpotential) * drive.duty))
            else:
                limit = None if drive.limit is None else (drive.limit - overpotential) * drive.duty
                groups.append(Group(anodes, 0.0, drive.current * drive.duty, limit))
            groups.append(Group(self.of_rows(drive.cathodes)))
        groups += [Group(self.of_rows(names), 0.0, 0.0) for names in drive.floating]
        for n, side in enumerate(self.sides):
            if side.potential is not None:
                groups.append(Group(self.of_side(n), np.ravel(side.potential)
                                    if np.ndim(side.potential) else side.potential))
            elif side.current is not None:
                groups.append(Group(self.of_side(n), 0.0, side.current))
        return groups

    def per_place(self, values):
        """Sum of a value per face over every strip and side."""
        return np.bincount(self.faces.strip, values, minlength=self.count)
