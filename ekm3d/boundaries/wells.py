"""Wells: openings through which water enters and leaves the block, and its composition.

A well is a set of faces or voxels with a conductance to a head or a share of a rate (in MODFLOW's
words, McDonald and Harbaugh 1988: WEL, CHD, DRN):

    injection   a given rate, up to a head (max_head) where there is one              (WEL)
    head        a fixed head; inflow may be capped by the supply (max_rate)           (CHD)
    drain       a fixed head that never admits water; its outflow is lost             (DRN)
    collector   a drain whose water is leachate

Boundaries of the ground (`ground`) stand among the wells: their water and salts are booked alike.

A well `at` the anodes or cathodes sits on the faces of the rows that the stage drives. A stage may
change the rate, the head and the water of a well, or close it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ekm3d.backends.read_only_memo import ReadOnlyMemo
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.ground import surface
from ekm3d.boundaries.openings import Openings
from ekm3d.boundaries.schedule import Drive
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.rasterise import rasterise

OUTFLOW_ONLY = ("drain", "collector")


class Well(Protocol):
    """Well as a case describes it."""

    kind: str                       # "injection", "head", "drain" or "collector"
    at: str | None                  # "anodes", "cathodes" or the name of a row
    box: Sequence | None            # ((x0, y0, z0), (x1, y1, z1)) [m]
    rate: float | None              # m3/s
    head: float | None              # m
    max_rate: float | None          # m3/s
    max_head: float | None          # m, of an injection


class SideWell(NamedTuple):
    """Side of the block as a well: a head [m], or a rate [m3/s] into the block."""

    number: int
    kind: str
    rate: float | None = None
    head: float | None = None
    max_rate: float | None = None
    max_head: float | None = None


class Wells:
    """Wells of a case; `all` holds them and, after them, the sides through which water passes."""

    def __init__(self, grid: Grid, wells: Iterable[Well], contacts: BoundaryFaces,
                 feeds: np.ndarray, stages: Sequence[Sequence[Well | None]] = (),
                 stage_feeds: Sequence[np.ndarray] = ()):
        """feeds: (wells, components) composition of injected water, acidity included [mol/m3].

        stages: the wells in every stage of the schedule, None where one is closed, and stage_feeds
        their water; without them all stages have `wells` and `feeds`.
        """
        self.grid, self.wells, self.contacts, self.feeds = grid, tuple(wells), contacts, feeds
        self.stages, self.stage_feeds = tuple(map(tuple, stages)), tuple(stage_feeds)
        self.at_faces = ReadOnlyMemo(self._at_faces)
        self.boxes = {n: self._box(w.box) for n, w in enumerate(self.wells) if w.box is not None}
        ground: Any = self.wells
        self.surfaces = {n: surface(grid, contacts.electrodes.ore, w,
                                    contacts.electrodes.active)
                         for n, w in enumerate(ground) if hasattr(w, "law")}
        self.salt_stays = [getattr(w, "law", None) == "evaporation" for w in self.wells]
        self.all: list = list(self.wells)
        for n, side in enumerate(contacts.sides):
            if side.head is not None:
                self.all.append(SideWell(n, "head", head=side.head))
            elif side.flux is not None:
                area = contacts.faces.area[contacts.of_side(n)].sum()
                self.all.append(SideWell(n, "injection", rate=side.flux * area))

    def __len__(self) -> int:
        return len(self.wells)

    def _box(self, box: Sequence) -> Openings:
        """Openings in the ore voxels of a box: a bore that drains them through four sides."""
        mask = np.zeros(self.grid.shape, bool)
        mask[rasterise(box, self.grid)] = True
        voxel = np.flatnonzero(np.pad(mask & self.contacts.electrodes.ore, GHOST))
        area = np.full(voxel.size, 2 * (self.grid.face_area(1) + self.grid.face_area(2)))
        reach = sum(4 * self.grid.face_area(a) / self.grid.spacing_along(a) for a in (1, 2))
        return Openings(voxel, area, np.full(voxel.size, reach), np.full(voxel.size, -1))

    def under(self, drive: Drive) -> list:
        """Return the wells, then the sides, as they are in the stage of a drive; None: closed."""
        if not self.stages:
            return self.all
        return [*self.stages[drive.stage], *self.all[len(self.wells):]]

    def feeds_in(self, stage: int) -> np.ndarray:
        """Return the composition (wells, components) of the injected water in a stage [mol/m3]."""
        return self.stage_feeds[stage] if self.stage_feeds else self.feeds

    def openings(self, n: int, drive: Drive) -> Openings:
        """Openings of well n under a drive; none where its rows are not driven or it is closed."""
        well, contacts = self.under(drive)[n], self.contacts
        if well is None:
            return Openings.none()
        if n >= len(self.wells):
            chosen = contacts.of_side(well.number)
        elif n in self.boxes:
            return self.boxes[n]
        elif n in self.surfaces:
            return self.surfaces[n].openings
        else:
            rows = {"anodes": drive.anodes, "cathodes": drive.cathodes}.get(well.at, (well.at,))
            chosen = contacts.of_rows(rows)
        return self.at_faces(chosen)

    def _at_faces(self, chosen):
        """Openings at the faces of these numbers."""
        faces, area = self.contacts.faces, self.contacts.faces.area[chosen]
        return Openings(faces.voxel[chosen], area, area / faces.water[chosen], chosen)
