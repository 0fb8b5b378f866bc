"""Boundary faces of electrodes and open sides, and the condition each gets under a drive.

An electrode's face is metal, or the tank before it; a side's face is a reservoir, a terminal,
or both. Condition of a face, and the conductance between ore and the level behind it:

    ANODE         current enters as H+                           half voxel of ore + contact
    BARE_CATHODE  cathode without a tank: OH- enters the ore     the same
    TANK          cathode with a tank: all species pass          Nernst-Planck face + contact
    FLOATING      wired rows without a supply: H+ or OH- by the current's sign, and neither where
                  the voltage along the rows does not reach what splits water
    RESERVOIR     side with a composition: all species pass      Nernst-Planck face
    TERMINAL      side with a potential or current only          half voxel of ore
    CLOSED        nothing passes

The half voxel of ore before metal has the diffusion potential of its water (`physics.half_voxel`).
Faces that carry current belong to groups, each at one potential: given, or found from the
current that the group is to carry.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ekm3d.backends.read_only_memo import read_only
from ekm3d.boundaries.electrodes import Electrodes, Faces
from ekm3d.boundaries.schedule import Drive
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.rasterise import outer_voxels

CLOSED, ANODE, BARE_CATHODE, TANK, FLOATING, RESERVOIR, TERMINAL = range(7)
PASSING = (TANK, RESERVOIR)        # species cross the face
METAL = (ANODE, BARE_CATHODE, FLOATING)     # current turns into acid or base in the ore
_PASSES, _IS_METAL = (np.isin(range(TERMINAL + 1), which) for which in (PASSING, METAL))
_SIGN = np.array([{ANODE: 1.0, BARE_CATHODE: -1.0, TANK: -1.0}.get(n, 0.0)
                  for n in range(TERMINAL + 1)])


class Roles:
    """Roles of n faces under their conditions, worked out once while these last.

    kinds: (n,) of CLOSED, ANODE, ...; passes, metal, tank: masks; passing, in_metal, electrolyses:
    masks as uint8, the last of metal and tanks; crossed, of_metal: numbers of the faces that
    species cross, and of those in metal; metal_voxel: voxels of the latter; tanks: strips with
    TANK; sign: of the current into the ore, 1. at anodes, -1. at cathodes.
    """

    def __init__(self, kinds: np.ndarray, faces: Faces) -> None:
        self.kinds, self.sign, self.tank = kinds, read_only(_SIGN[kinds]), kinds == TANK
        self.passes, self.metal = read_only(_PASSES[kinds]), read_only(_IS_METAL[kinds])
        self.passing, self.in_metal, self.electrolyses = (
            read_only(mask.astype(np.uint8))
            for mask in (self.passes, self.metal, self.metal | self.tank))
        self.crossed, self.of_metal = map(read_only, map(np.flatnonzero, (self.passes,
                                                                          self.metal)))
        self.metal_voxel = read_only(faces.voxel[self.of_metal])
        self.tanks = np.unique(faces.strip[self.tank])


@dataclass(frozen=True)
class Group:
    """Faces at one potential: a given level [V, per face], or the current [A] into the ore."""

    faces: np.ndarray            # numbers of the faces
    level: float | np.ndarray = 0.0    # V; one for all or one per face; a guess if current is given
    current: float | None = None       # A into the ore; None: the level is given
    limit: float | None = None         # V, the highest level that the supply gives
    splits_at: float = 0.0             # V between ends of floating metal that split water
    terminal: int | None = None        # number among the terminals of several supplies


class Side(Protocol):
    """Open side of the block as a case describes it."""

    face: str                       # "x-" ... "z+"
    axis: int                       # array axis across it: 0, 1, 2 = z, y, x
    upper: bool
    contact: str                    # "diffusive", or "advective": with the water only
    composition: dict | None        # mol/m3 of water in the reservoir behind it
    potential: float | np.ndarray | None      # V
    current: float | None           # A into the block
    head: float | None              # m
    flux: float | None              # m/s of water into the block


class BoundaryFaces:
    """Faces of all electrodes and open sides as one list.

    faces: arrays (n,); count: number of owners, the strips followed by the sides; last_faces:
    numbers of those that have faces, and the last face of each.
    """

    def __init__(self, grid: Grid, electrodes: Electrodes, sides: Sequence[Side] = (),
                 given: Sequence[np.ndarray] = ()):
        """given: for each side the fixed flux of every component into the block [mol/m2/s]."""
        self.grid, self.electrodes, self.sides = grid, electrodes, tuple(sides)
        self.given = tuple(given)
        parts = [electrodes.faces] + [self._side(n, side) for n, side in enumerate(self.sides)]
        self.faces = Faces(*(np.concatenate([getattr(p, name) for p in parts])
                             for name in Faces.__dataclass_fields__))
        for array in (self.faces.voxel, self.faces.area, self.faces.half, self.faces.strip,
                      self.faces.resistance):
            read_only(array)
        self.count = electrodes.strips + len(self.sides)
        ends = np.searchsorted(self.faces.strip, np.arange(self.count + 1))
        there = np.flatnonzero(np.diff(ends))
        self.last_faces = there, read_only(ends[there + 1] - 1)
        self.cache: dict[tuple, np.ndarray] = {}               # names of rows -> their faces
        self.sides_faces: dict[int, np.ndarray] = {}
        self.last_rows: tuple | None = None         # driven in the last call of `roles`, and wired
        self.last_roles = Roles(np.full(self.faces.strip.size, CLOSED), self.faces)

    def _side(self, n: int, side: Side) -> Faces:
        """Faces of side n of the block; its number comes after the strips'."""
        places = outer_voxels(self.grid.shape, self.electrodes.active, side.axis, side.upper)
        voxel = np.ravel_multi_index([p + GHOST for p in places], self.grid.padded).ravel()
        ore = np.pad(self.electrodes.ore, GHOST).ravel()[voxel]
        m = voxel.size
        half = np.full(m, 0.5 * self.grid.spacing_along(side.axis))
        return Faces(np.full(m, self.electrodes.strips + n), voxel, np.full(m, side.axis),
                     np.full(m, -1 if side.upper else 1),
                     np.where(ore, self.grid.face_area(side.axis), 0.0),
                     half, half, np.zeros(m), np.zeros((m, 3)))

    def metal_faces(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (faces of sides that an electrode covers, which have no area; whose they are)."""
        covered = np.flatnonzero(self.faces.area == 0)
        electrode = np.zeros(covered.size, int)
        at = tuple(np.array(np.unravel_index(
            self.faces.voxel[covered], self.grid.padded)) - GHOST)
        for n, mask in enumerate(self.electrodes.masks):
            electrode[mask[at]] = n
        return read_only(covered), read_only(electrode)

    def of_side(self, n: int) -> np.ndarray:
        """Indices of the faces of side n."""
        if n not in self.sides_faces:
            self.sides_faces[n] = read_only(
                np.flatnonzero(self.faces.strip == self.electrodes.strips + n))
        return self.sides_faces[n]

    def of_rows(self, names: Iterable[str]) -> np.ndarray:
        """Indices of the faces of the rows of these names."""
        key, el = tuple(names), self.electrodes
        if key not in self.cache:
            rows = [el.rows.index(name) for name in names]
            self.cache[key] = read_only(
                np.flatnonzero(np.isin(el.strip_row[el.faces.strip], rows)))
        return self.cache[key]

    def kinds(self, drive: Drive) -> np.ndarray:
        """Condition of every face under a drive; (n,) of CLOSED, ANODE, ..."""
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

    def roles(self, drive: Drive) -> Roles:
        """Roles of all faces under a drive: the object of the last call while they are the same."""
        rows = drive.anodes, drive.cathodes, drive.floating
        if rows != self.last_rows:
            self.last_rows, kinds = rows, self.kinds(drive)
            if not np.array_equal(kinds, self.last_roles.kinds):
                self.last_roles = Roles(kinds, self.faces)
        return self.last_roles

    def groups(self, drive: Drive, overpotential: float) -> list[Group]:
        """Groups of faces that carry current under a drive; overpotential [V]."""
        groups: list[Group] = []
        if drive.on and drive.supplies:
            groups += [Group(self.of_rows(names), 0.0, 0.0 if n else None, terminal=n)
                       for n, names in enumerate(drive.terminals)]
        elif drive.on:
            anodes = self.of_rows(drive.anodes)
            if drive.current is None:
                groups.append(Group(anodes, (drive.voltage - overpotential) * drive.duty))
            else:
                limit = None if drive.limit is None else (drive.limit - overpotential) * drive.duty
                groups.append(Group(anodes, 0.0, drive.current * drive.duty, limit))
            groups.append(Group(self.of_rows(drive.cathodes)))
        splits_at = overpotential * (drive.duty if drive.on else 1.0)
        groups += [Group(self.of_rows(names), 0.0, 0.0, splits_at=splits_at)
                   for names in drive.floating]
        for n, side in enumerate(self.sides):
            if side.potential is not None:
                groups.append(Group(self.of_side(n), np.ravel(side.potential)
                                    if np.ndim(side.potential) else side.potential))
            elif side.current is not None:
                groups.append(Group(self.of_side(n), 0.0, side.current))
        return groups

    def per_place(self, values: np.ndarray) -> np.ndarray:
        """Sum of a value per face over every strip, then over every side; (count,)."""
        return np.bincount(self.faces.strip, values, minlength=self.count)
