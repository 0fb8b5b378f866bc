"""Boundaries that pass water, read from [[boundary]]: rain, evaporation, seepage, water tables.

A stage may change a boundary by [[schedule.stage.boundary]] for as long as it lasts. Boundaries
that do not fit (a head for rain, a box beside the face) are added to the problems.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ekm3d.boundaries.ground import Level
from ekm3d.case.csv_table import CsvTable, layout_of
from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.schema import TimeTable, box_of
from ekm3d.case.schema_ground import BoundaryEntry, StageBoundary
from ekm3d.case.toml_tables import parse
from ekm3d.case.units import QuantityKind
from ekm3d.case.voxel_values import SourceReader
from ekm3d.case.water import composition
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.suggest import suggest

HEAD, TIME = QuantityKind("m", "0.5 m"), QuantityKind("s", "1 d")
NEEDED = {"rain": ("rate",), "evaporation": ("rate",), "seepage": (), "drainage": (),
          "head": ("head",), "water table": ("head",), "leak": ("head", "conductance")}
ALLOWED = {"rain": ("ponding", "composition"), "evaporation": ("lowest",),
           "seepage": ("collects",), "drainage": ("collects",), "head": ("composition",),
           "water table": ("composition",), "leak": ("composition",)}
EXAMPLES = {"rate": '"5 mm/h"', "head": '"0.5 m"', "conductance": '"1e-8 1/s"'}
FOREIGN = "does not belong to a boundary of kind {!r}; leave it out"
LOWEST = -100.0     # m, pressure head at which evaporation ends


@dataclass(frozen=True)
class GroundBoundary:
    """Part of the block's surface that passes water, a well in the books of a run."""

    name: str
    law: str                        # rain | evaporation | seepage | drainage | head | ...
    face: str                       # x-, x+, ...
    axis: int                       # array axis across it: 0, 1, 2 = z, y, x
    upper: bool                     # at the upper end of the axis
    part: Any = None                # corners (x, y, z), (x, y, z) [m]; None: the whole side
    rate: float | None = None       # m/s
    ponding: float = 0.0            # m
    lowest: float = LOWEST          # m
    head: Level | None = None       # m
    conductance: float | None = None        # 1/s
    collects: bool = False          # what leaves is leachate
    composition: dict[str, float] = field(default_factory=dict)    # component -> mol/m3
    at: None = None                 # of a well: it has none of these
    box: None = None
    max_rate: None = None
    max_head: None = None

    @property
    def kind(self) -> str:
        """Kind of well that it is in the books: what may enter, and what leachate is."""
        if self.law == "rain":
            return "injection"
        if self.law in ("seepage", "drainage", "evaporation"):
            return "collector" if self.collects else "drain"
        return "head"

    @property
    def words(self) -> str:
        """Kind of boundary that it is, for a report."""
        return f"{self.law}, collected" if self.collects else self.law

    @property
    def way(self) -> str:
        """Name of its columns."""
        return f"boundary_{self.name}"


class BoundaryReader:
    """Reader of [[boundary]]; problems go to `problems`."""

    def __init__(self, chem: ChemicalSystem, sources: SourceReader, problems: Problems):
        self.chem, self.sources, self.problems = chem, sources, problems
        self.grid = sources.grid

    def read(self, entries: Sequence[BoundaryEntry]) -> tuple[GroundBoundary, ...]:
        """Return the boundaries."""
        self.problems.attempt(self.problems.check_names, entries, ("boundary",), "boundary")
        return tuple(self.problems.attempt(self._boundary, ("boundary", n), entry)
                     for n, entry in enumerate(entries))

    def read_stages(self, stages: Sequence[Any], entries: Sequence[BoundaryEntry]
                    ) -> tuple[tuple[GroundBoundary | None, ...], ...]:
        """Return the boundaries in every stage; None: closed."""
        return tuple(self.problems.attempt(self._stage, ("schedule", "stage", n), stage, entries)
                     for n, stage in enumerate(stages))

    def _stage(self, path: KeyPath, stage: Any, entries: Sequence[BoundaryEntry]
               ) -> tuple[GroundBoundary | None, ...]:
        self.problems.attempt(self.problems.check_names, stage.boundary, (*path, "boundary"),
                              "boundary")
        changes: dict[str, StageBoundary] = {c.name: c for c in stage.boundary}
        known = [entry.name for entry in entries]
        for n, change in enumerate(stage.boundary):
            if change.name not in known:
                self.problems.add((*path, "boundary", n, "name"), f"there is no [[boundary]] "
                                  f"{change.name!r}" + suggest(change.name, known))
            if change.off and (change.rate is not None or change.composition is not None):
                self.problems.add((*path, "boundary", n, "off"), "is true, so that a rate or a "
                                  "composition would do nothing; give one or the other")
        out: list[GroundBoundary | None] = []
        for n, entry in enumerate(entries):
            change = changes.get(entry.name)
            if change is None:
                out.append(self._boundary(("boundary", n), entry))
            elif change.off:
                out.append(None)
            else:
                given = {key: value for key, value in change if value is not None
                         and key not in ("name", "off")}
                at = (*path, "boundary", stage.boundary.index(change))
                out.append(self._changed(at, entry.kind, given,
                                         self._boundary(("boundary", n), entry)))
        return tuple(out)

    def _changed(self, path: KeyPath, law: str, given: dict[str, Any], boundary: GroundBoundary
                 ) -> GroundBoundary:
        """Return a boundary with the values that a stage gives; those of its own were checked."""
        for key in given:
            if key not in (*NEEDED[law], *ALLOWED[law]):
                self.problems.add((*path, key), FOREIGN.format(law))
        if "composition" in given:
            given = given | {"composition": composition(
                given["composition"], (*path, "composition"), self.chem, self.problems)}
        return replace(boundary, **given)

    def _boundary(self, path: KeyPath, entry: BoundaryEntry) -> GroundBoundary:
        """Return the GroundBoundary of one [[boundary]]."""
        add, law = self.problems.add, entry.kind
        if law is MISSING:
            raise MissingValue
        for key in NEEDED[law]:
            if getattr(entry, key) is None:
                add((*path, key), f"is missing; a boundary of kind {law!r} needs e.g. {key} = "
                    f"{EXAMPLES[key]}")
        for key in ("rate", "ponding", "lowest", "head", "conductance", "collects",
                    "composition"):
            if getattr(entry, key) not in (None, False, {}) \
                    and key not in (*NEEDED[law], *ALLOWED[law]):
                add((*path, key), FOREIGN.format(law))
        if law == "drainage" and entry.face != "z-":
            add((*path, "face"), "free drainage falls out of the bottom; write face = \"z-\"")
        axis, upper = "zyx".index(entry.face[0]), entry.face[1] == "+"
        part = None if entry.box is None else self.problems.attempt(
            self._part, (*path, "box"), entry.box, axis, upper)
        head = None if entry.head is None else self.problems.attempt(
            self._head, (*path, "head"), entry.head, axis, upper)
        feed = composition(entry.composition, (*path, "composition"), self.chem, self.problems)
        return GroundBoundary(
            entry.name, law, entry.face, axis, upper, part, entry.rate, entry.ponding or 0.0,
            LOWEST if entry.lowest is None else entry.lowest, head, entry.conductance,
            entry.collects, feed)

    def _part(self, path, value, axis, upper):
        """Return the corners of the part of a side that a box touches."""
        try:
            box = box_of(value)
        except ValueError as e:
            self.problems.add(path, str(e))
            raise MissingValue from None
        d = 2 - axis
        place = self.grid.origin[d] + upper * self.grid.size[d]
        slack = 1e-9 * self.grid.size[d]
        inside = all(box[0][a] < self.grid.origin[a] + self.grid.size[a]
                     and box[1][a] > self.grid.origin[a] for a in range(3) if a != d)
        follows = axis == 0 and self.sources.active is not None
        if not inside or not (follows or box[0][d] - slack <= place <= box[1][d] + slack):
            self.problems.add(path, f"does not touch the face, which lies at {'xyz'[d]} = "
                              f"{place:g} m; move or lengthen it")
        return box

    def _head(self, path, value, axis, upper):
        """Return the Level of a constant, a formula of the place, or a table in time."""
        if isinstance(value, dict) and "table" in value:
            return self._in_time(path, value)
        return Level(self.sources.faces(path, value, HEAD, axis, upper))

    def _in_time(self, path, value):
        """Return the Level of a CSV file with a column of times, t_h or the like, and the heads."""
        spec = parse(TimeTable, value, self.problems, path)
        try:
            table = CsvTable(self.sources.folders.file(spec.table),
                             layout_of(spec.dialect, spec.separator, spec.decimal))
            found = [c for c in table.columns if c == "t" or c.startswith("t_")]
            if len(found) != 1:
                raise ValueError(f"{table.name} needs one column of times, t_h, t_d or the like; "
                                 f"its columns are {', '.join(table.columns)}")
            times = table.values(found[0], TIME, "s" if found[0] == "t" else None)
            heads = table.values(spec.column, HEAD, spec.unit)
            if (np.diff(times) <= 0).any():
                raise ValueError(f"{table.name}: the times must rise from row to row")
        except ValueError as e:
            self.problems.add(path, str(e))
            raise MissingValue from None
        return Level(heads, times)
