"""Checks of a case's geometry on its grid: what voxels of metal touch, fill, cover or cut off.

A strip takes at least one voxel of every axis, so a coarse grid may leave no ore between two rows,
put a probe into metal, or part the ore. What cannot be computed is refused; what is computed, and
may not be what was meant, is warned of.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ekm3d.boundaries.ground import surface
from ekm3d.boundaries.rods import axis_voxels, surface_voxels
from ekm3d.case.case_data import CaseData
from ekm3d.case.electrodes import roles
from ekm3d.case.problems import KeyPath, Problems
from ekm3d.grid.connectivity import connected_parts
from ekm3d.grid.grid import Grid
from ekm3d.grid.rasterise import outer_voxels, rasterise
from ekm3d.quoting import quoted, some

GAP = 2.0       # ratio of the distance of two rows on the grid and as given, from which it is told


def check_geometry(case: CaseData, problems: Problems) -> None:
    """Add what the grid has swallowed to the problems and the warnings of a case that was read."""
    GeometryCheck(case, problems).run()


class GeometryCheck:
    """Voxels of metal and of ore, and the checks that need them.

    strips: (row number, row, number of the strip from 1) of every strip; owner: (nz, ny, nx)
    number of the strip whose metal a voxel is, else -1; parts: number of the connected part of
    ore, from 1; 0 for metal and air, that is all that is not active.
    """

    def __init__(self, case: CaseData, problems: Problems):
        self.case, self.problems, self.grid = case, problems, case.grid
        rows = case.electrodes.rows
        self.strips = [(n, row, s) for n, row in enumerate(rows)
                       for s in range(1, row.count + 1)]
        self.boxes = [box for row in rows
                      for box in (*row.boxes, *(rod.box for rod in row.rods))]
        self.rods = [rod for row in rows for rod in (*(None for _ in row.boxes), *row.rods)]
        self.places = [rasterise(box, self.grid) for box in self.boxes]
        self.owner = np.full(self.grid.shape, -1, np.int32)
        for m, place in enumerate(self.places):
            if self.rods[m] is None:
                self.owner[place] = m
        self.ore, self.role = self.owner < 0, roles(case.schedule)
        self.air = np.zeros(self.grid.shape, bool)
        self.active = None if case.active is None else case.active | ~self.ore
        if case.active is not None:
            self.air, self.ore = self.ore & ~case.active, self.ore & case.active
        self.parts, self.count = connected_parts(self.ore)
        self.by_strip = self._parts_at_strips()
        self.voxels = " x ".join(f"{d:g}" for d in self.grid.spacing) + " m"

    def run(self) -> None:
        """Carry out all checks; without any ore only that is told."""
        if not self.ore.any():
            what = "block" if self.active is None else "active ore"
            self.problems.add(("electrodes",), f"no ore is left: the electrodes fill the {what} "
                              f"on the grid of {self.voxels}; make them smaller or take a finer "
                              "grid.spacing")
            return
        self._in_air()
        touching = self._touching() or self._rods()
        self._points()
        self._wells()
        self._sides()
        if not touching:
            self._buried()
            self._parted()
            self._gaps()

    def _parts_at_strips(self) -> list[set[int]]:
        """Numbers of the parts of ore that every strip has a face to."""
        found: list[set[int]] = [set() for _ in self.strips]
        for here, there in self._neighbours():
            metal, ore = self.owner[here], self.parts[there]
            at = (metal >= 0) & (ore > 0)
            for m, part in np.unique(np.stack([metal[at], ore[at]]), axis=1).T:
                found[m].add(int(part))
        for m, rod in enumerate(self.rods):
            if rod is not None:
                found[m] = set(self.parts[axis_voxels(rod, self.grid)].tolist()) - {0}
        return found

    @staticmethod
    def _neighbours() -> list[tuple[Any, Any]]:
        """Indices (voxels, their neighbours) of all pairs, in both directions along each axis."""
        pairs = []
        for axis in range(3):
            low, high = [slice(None)] * 3, [slice(None)] * 3
            low[axis], high[axis] = slice(None, -1), slice(1, None)
            pairs += [(tuple(low), tuple(high)), (tuple(high), tuple(low))]
        return pairs

    def _named(self, m: int) -> str:
        """Strip m in the words of a message."""
        _, row, s = self.strips[m]
        return f"electrode {s} of {self.role.get(row.name, '')}{quoted(row.name)}"

    def _together(self, one: str, other: str) -> bool:
        """True for rows that have the same role in every stage: joined, they are one row."""
        if one == other:
            return True
        return all((one in group) == (other in group)
                   for stage in self.case.schedule.stages
                   for group in (stage.anodes, stage.cathodes, *stage.floating))

    def _touching(self) -> bool:
        """Refuse strips of different rows that share a face of two voxels."""
        pairs: set[tuple[int, int]] = set()
        for here, there in self._neighbours()[::2]:
            a, b = self.owner[here], self.owner[there]
            both = (a >= 0) & (b >= 0) & (a != b)
            found = np.unique(np.sort([a[both], b[both]], axis=0), axis=1).T
            pairs |= {(int(low), int(high)) for low, high in found}
        refused = False
        for a, b in sorted(pairs):
            (n, first, _), (other, second, _) = self.strips[a], self.strips[b]
            if self._together(first.name, second.name):
                continue
            refused = True
            self.problems.add(("electrodes", "row", max(n, other)), (
                f"{self._named(b)} touches {self._named(a)} on the grid of {self.voxels}, with no "
                f"ore between them ({self._distance(a, b):.3g} m apart as given); move them apart "
                "or take a finer grid.spacing"))
        return refused

    def _distance(self, a: int, b: int) -> float:
        """Distance of the boxes of two strips as given [m]."""
        return box_distance(self.boxes[a], self.boxes[b])

    def _rods(self) -> bool:
        """Refuse rods in metal and rods of other rows in one voxel; warn of rods thick for it."""
        refused, owner = False, np.full(self.grid.shape, -1, np.int32)
        for m, rod in enumerate(self.rods):
            if rod is None:
                continue
            n, row, _ = self.strips[m]
            voxels = axis_voxels(rod, self.grid)
            metal = np.unique(self.owner[surface_voxels(rod, self.grid)])
            if metal[-1] >= 0:
                refused = True
                self.problems.add(("electrodes", "row", n), (
                    f"{self._named(m)} passes the metal of {self._named(metal[-1])} on the grid "
                    f"of {self.voxels}; move it or take a finer grid.spacing"))
                continue
            for other in np.unique(owner[voxels]):
                if other >= 0 and not self._together(row.name, self.strips[other][1].name):
                    refused = True
                    self.problems.add(("electrodes", "row", n), (
                        f"{self._named(m)} passes a voxel that {self._named(other)} passes too, on "
                        f"the grid of {self.voxels}; move them apart or take a finer "
                        "grid.spacing"))
            owner[voxels] = m
            if rod.thickness > min(self.grid.spacing):
                self.problems.warn(("electrodes", "row", n), (
                    f"{self._named(m)} is {rod.thickness:g} m thick in voxels of {self.voxels}, "
                    "which stay ore; as strips or plates it would fill whole voxels"))
        return refused

    def _in_air(self) -> None:
        """Refuse strips that lie outside the active ore; warn of those that stand out of it."""
        active, out = self.case.active, {}      # out: {strip: (voxels in the air, all of its)}
        if active is None:
            return
        for m, rod in enumerate(self.rods):
            at = self.places[m] if rod is None else axis_voxels(rod, self.grid)
            inside, number = active[at], self.strips[m][0]
            if not inside.any():
                self.problems.add(("electrodes", "row", number), (
                    f"{self._named(m)} lies wholly in the air, outside ore.active, on the grid of "
                    f"{self.voxels}; move it into the ore"))
            elif not inside.all():
                out[m] = int((~inside).sum()), inside.size
        if len(out) == 1:
            ((m, (bare, size)),) = out.items()
            self.problems.warn(("electrodes", "row", self.strips[m][0]), (
                f"{bare} of the {size} voxels of {self._named(m)} lie in the "
                "air, outside ore.active; the others carry all its current"))
        elif out:
            numbers: dict[str, list[str]] = {}
            for m in out:
                numbers.setdefault(self._named(m).partition(" of ")[2], []).append(
                    str(self.strips[m][2]))
            most, size = max(out.values(), key=lambda counts: counts[0] / counts[1])
            self.problems.warn(("electrodes",), (
                f"{len(out)} electrodes stand out of the ore into the air, outside ore.active, "
                f"with {most} of {size} voxels at most; the others carry all their current: "
                + some((f"{', '.join(n) if len(n) < 7 else f'{len(n)} electrodes'} of {row}"
                        for row, n in numbers.items()), 6)))

    def _points(self) -> None:
        """Refuse probes and sampling points in metal or air, whose pH and ore mean nothing."""
        for kind, path, points in (("probe", ("probe",), self.case.probes),
                                   ("sampling point", ("sampling", "file"), self.case.sampling)):
            for n, point in enumerate(points):
                index = self.grid.voxel_at(point.position)
                m = self.owner[index] if index is not None else -1
                where: KeyPath = (*path, n, "position") if kind == "probe" else path
                if index is not None and self.air[index]:
                    self.problems.add(where, f"{kind} {quoted(point.name)} at "
                                      f"{place(point.position)} lies in the air, outside "
                                      f"ore.active, on the grid of {self.voxels}; move it into "
                                      "the ore")
                if m >= 0:
                    self.problems.add(where, f"{kind} {quoted(point.name)} at "
                                      f"{place(point.position)} lies in the metal of "
                                      f"{self._named(m)} on the grid of {self.voxels}; move it "
                                      "into the ore or take a finer grid.spacing")

    def _wells(self) -> None:
        """Refuse wells in metal; warn of those of which the grid has turned a part into metal."""
        for n, well in enumerate(self.case.wells):
            if well.box is None:
                continue
            at = rasterise(well.box, self.grid)
            metal = ~self.ore[at]
            if metal.all() and self.air[at].any():
                self.problems.add(("well", n, "box"), f"well {quoted(well.name)} lies in the air, "
                                  f"outside ore.active, on the grid of {self.voxels}, so no water "
                                  "passes; move it into the ore")
            elif metal.all():
                self.problems.add(("well", n, "box"), f"well {quoted(well.name)} lies in the "
                                  f"metal of an electrode on the grid of {self.voxels}, so no "
                                  "water passes; move it, or give at = the row's name")
            elif metal.any():
                what = "metal of electrodes or air" if self.air[at].any() else \
                    "metal of electrodes"
                self.problems.warn(("well", n, "box"), f"{metal.sum()} of the {metal.size} voxels "
                                   f"of well {quoted(well.name)} are {what}; the "
                                   "rest of them takes all its water")

    def _sides(self) -> None:
        """Refuse open sides that electrodes cover."""
        for n, side in enumerate(self.case.sides):
            if not self._at_side(side).any():
                what = "electrodes" if self.active is None else "electrodes or air"
                self.problems.add(("side", n, "face"), f"the side {side.face} is covered by "
                                  f"{what} on the grid of {self.voxels}: nothing passes it; "
                                  "leave it out or uncover it")
        boundaries: Any = self.case.boundaries
        for n, boundary in enumerate(boundaries):
            if not surface(self.grid, self.ore, boundary, self.active).openings.voxel.size:
                what = "metal of electrodes" + (" or air" if self.active is not None else "")
                self.problems.add(("boundary", n), f"boundary {quoted(boundary.name)} has no ore "
                                  f"at its face {boundary.face} on the grid of {self.voxels}: it "
                                  f"is {what} there; move it, or leave it out")

    def _at_side(self, side: Any) -> np.ndarray:
        """Numbers of the parts of ore in the layer at a side; 0 for metal."""
        return self.parts[outer_voxels(self.grid.shape, self.active, side.axis, side.upper)]

    def _buried(self) -> None:
        """Refuse strips without a face towards ore."""
        for m, parts in enumerate(self.by_strip):
            if not parts and (self.case.active is None
                              or self.case.active[self.places[m]].any()):
                self.problems.add(("electrodes", "row", self.strips[m][0]), (
                    f"{self._named(m)} has no face towards ore on the grid of {self.voxels}; "
                    "leave it out or move it"))

    def _parted(self) -> None:
        """Check parts of ore that metal cuts off from one another: current, water, dead ore."""
        reached: set[int] = set()
        for n, stage in enumerate(self.case.schedule.stages):
            reached |= self._current_reaches(n, stage) | self._water_leaves(n, stage)
        for side in self.case.sides:
            reached |= set(np.unique(self._at_side(side)).tolist())
        dead = [p for p in range(1, self.count + 1) if p not in reached] if self.count > 1 else []
        if dead and any(stage.anodes for stage in self.case.schedule.stages):
            lost = np.isin(self.parts, dead)
            what = "electrodes" if self.active is None else "electrodes or air"
            self.problems.warn(("electrodes",), f"{lost.sum()} voxels of ore, the first at "
                               f"{centre(self.grid, lost)}, are cut off by {what} on the grid "
                               f"of {self.voxels}: neither current nor water reaches them")

    def _of_rows(self, names: Sequence[str]) -> set[int]:
        """Parts of ore that any strip of these rows has a face to."""
        return set().union(*(parts for (_, row, _), parts in
                             zip(self.strips, self.by_strip, strict=True) if row.name in names))

    def _current_reaches(self, n: int, stage: Any) -> set[int]:
        """Refuse driven rows that no ore connects with their counterpart; parts with current."""
        if not (stage.voltage or stage.current) or not self.case.physics.potential:
            return set()
        grounded: set[int] = set()
        for side in self.case.sides:
            if side.potential is not None:
                grounded |= set(np.unique(self._at_side(side)).tolist()) - {0}
        ends = {"anodes": self._of_rows(stage.anodes), "cathodes": self._of_rows(stage.cathodes)}
        for key, other in (("anodes", "cathodes"), ("cathodes", "anodes")):
            for name in getattr(stage, key):
                own = self._of_rows([name])
                if own and not own & (ends[other] | grounded):
                    self.problems.add(("schedule", "stage", n, key), (
                        f"no ore connects {quoted(name)} with the {other} of stage "
                        f"{quoted(stage.name)} on the grid of {self.voxels}: other electrodes "
                        + "or air " * (self.active is not None) +
                        "cut it off; move them or take a finer grid.spacing"))
        return (ends["anodes"] | grounded) & (ends["cathodes"] | grounded)

    def _water_leaves(self, n: int, stage: Any) -> set[int]:
        """Refuse water injected into a part of ore that has no outlet; parts that water reaches."""
        if not self.case.physics.flow:
            return set()
        free: set[int] = set()
        for side in self.case.sides:
            if side.head is not None or side.flux is not None:
                free |= set(np.unique(self._at_side(side)).tolist()) - {0}
        places = [(w, self._parts_of_well(w, stage)) for w in self.case.wells]
        outlets = free.union(*(parts for w, parts in places if w.kind != "injection"))
        storage = self.case.ore.storage
        if self.count > 1 and not (storage is not None and storage.any()):
            for well, parts in places:
                stuck = parts - outlets
                if well.kind == "injection" and well.rate and stuck and outlets:
                    where = centre(self.grid, np.isin(self.parts, list(stuck)))
                    self.problems.add(("schedule", "stage", n), (
                        f"water of well {quoted(well.name)} enters ore at {where}, which "
                        f"electrodes cut off from every outlet of stage {quoted(stage.name)} on "
                        f"the grid of {self.voxels}; open an outlet there, or move the electrodes"))
        return outlets.union(*(parts for _, parts in places))

    def _parts_of_well(self, well: Any, stage: Any) -> set[int]:
        """Parts of ore that a well opens into during a stage."""
        if well.box is not None:
            return set(np.unique(self.parts[rasterise(well.box, self.grid)]).tolist()) - {0}
        return self._of_rows({"anodes": stage.anodes, "cathodes": stage.cathodes}.get(
            well.at, (well.at,)))

    def _gaps(self) -> None:
        """Warn of an anode and a cathode whose distance on the grid is not the one given."""
        told: set[tuple[int, int]] = set()
        for stage in self.case.schedule.stages:
            if not (stage.voltage or stage.current):
                continue
            anodes, cathodes = ([m for m, strip in enumerate(self.strips) if strip[1].name in names]
                                for names in (stage.anodes, stage.cathodes))
            pairs = [(a, b) for a in anodes for b in cathodes]
            if not pairs:
                continue
            pairs = [pair for pair in pairs if all(self.rods[m] is None for m in pair)]
            if not pairs:
                continue
            a, b = min(pairs, key=lambda pair: self._distance(*pair))
            given, found = self._distance(a, b), self._on_grid(a, b)
            if (a, b) not in told and not given / GAP < found < given * GAP:
                told.add((a, b))
                self.problems.warn(("electrodes", "row", self.strips[b][0]), (
                    f"{self._named(b)} is {found:.3g} m from {self._named(a)} on the grid of "
                    f"{self.voxels}, and {given:.3g} m as given; the current will be that of the "
                    "grid; a finer grid.spacing keeps the distance"))

    def _on_grid(self, a: int, b: int) -> float:
        """Distance of the voxels of two strips [m]."""
        boxes = []
        for at in (self.places[a], self.places[b]):
            low = [s.start * self.grid.spacing[2 - d] for d, s in enumerate(at)]
            high = [s.stop * self.grid.spacing[2 - d] for d, s in enumerate(at)]
            boxes.append((low[::-1], high[::-1]))
        return box_distance(*boxes)


def box_distance(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> float:
    """Return the distance of two boxes (lower corner, upper corner) [m]; 0 where they touch."""
    gap = np.maximum(np.maximum(np.subtract(one[0], other[1]), np.subtract(other[0], one[1])), 0.0)
    return float(np.linalg.norm(gap))


def place(position: Sequence[float]) -> str:
    """Return "(x, y, z) m"."""
    return "({:g}, {:g}, {:g}) m".format(*position)


def centre(grid: Grid, mask: np.ndarray) -> str:
    """Return the centre of the first voxel of a mask (nz, ny, nx) as text."""
    first = np.argwhere(mask)[0]
    return place([grid.centres(axis)[first[axis]] for axis in (2, 1, 0)])

