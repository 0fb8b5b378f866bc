"""Wells: where water enters and leaves the block, and with what composition.

Every well is a set of faces or voxels with a link to a head or a share of a rate:
injection   a given rate, whatever the head,
head        a fixed head; inflow may be capped by what the supply can give (max_rate),
drain       a fixed head that never admits water; what leaves is lost,
collector   a drain whose water is leachate.
A well `at` the anodes or cathodes sits on the faces of the rows that the stage drives.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ekm3d.boundaries.electrodes import rasterise
from ekm3d.grid.grid import GHOST

OUTFLOW_ONLY = ("drain", "collector")


@dataclass(frozen=True)
class Openings:
    """The n openings of one well: an ore voxel each, and how well it is connected."""

    voxel: np.ndarray    # flat padded index
    area: np.ndarray     # m2, shares out a rate
    reach: np.ndarray    # m, area / distance to the voxel's centre: conductance = K reach
    face: np.ndarray     # number of the electrode face, -1 for an opening inside a voxel


class SideWell(NamedTuple):
    """A side of the block as a well: a head, or a rate into the block."""

    number: int
    kind: str
    rate: float = None
    head: float = None
    max_rate: float = None


class Wells:
    """All wells of a case; `openings(n, drive)` tells where well n is open under a drive.

    `all` holds the wells and, after them, the sides through which water passes.
    """

    def __init__(self, grid, wells, contacts, feeds):
        """feeds: (wells, components) composition of injected water, acidity included [mol/m3]."""
        self.grid, self.wells, self.contacts, self.feeds = grid, tuple(wells), contacts, feeds
        self.boxes = [None if w.box is None else self._box(w) for w in self.wells]
        self.all = list(self.wells)
        for n, side in enumerate(contacts.sides):
            if side.head is not None:
                self.all.append(SideWell(n, "head", head=side.head))
            elif side.flux is not None:
                area = contacts.faces.area[contacts.of_side(n)].sum()
                self.all.append(SideWell(n, "injection", rate=side.flux * area))

    def __len__(self):
        return len(self.wells)

    def _box(self, well):
        """Openings in the ore voxels of a box: a bore that drains them through four sides."""
        mask = np.zeros(self.grid.shape, bool)
        mask[rasterise(well.box, self.grid)] = True
        voxel = np.flatnonzero(np.pad(mask & self.contacts.electrodes.ore, GHOST))
        area = np.full(voxel.size, 2 * (self.grid.face_area(1) + self.grid.face_area(2)))
        reach = sum(4 * self.grid.face_area(a) / self.grid.step(a) for a in (1, 2))
        return Openings(voxel, area, np.full(voxel.size, reach), np.full(voxel.size, -1))

    def openings(self, n, drive):
        """The Place of well n under this drive; empty where its rows are not driven."""
        well, contacts = self.all[n], self.contacts
        if n >= len(self.wells):
            chosen = contacts.of_side(well.number)
        elif well.box is not None:
            return self.boxes[n]
        else:
            rows = {"anodes": drive.anodes, "cathodes": drive.cathodes}.get(well.at, (well.at,))
            chosen = contacts.of_rows(rows)
        faces = contacts.faces
        area = faces.area[chosen]
        return Openings(faces.voxel[chosen], area, area / faces.half[chosen], chosen)
