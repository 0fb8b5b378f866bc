"""Wells of a case, read from [[well]]: injections, heads, drains and collectors.

A stage may change what a well gives, by [[schedule.stage.well]], for as long as it lasts.

Wells that do not fit (a box outside the block, a drain with a composition) are added to the
problems.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ekm3d.case.electrodes import Row
from ekm3d.case.problems import MISSING, KeyPath, Problems
from ekm3d.case.schema import Box, WellEntry
from ekm3d.case.schema_schedule import StageEntry, StageWell
from ekm3d.case.water import composition
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Grid
from ekm3d.grid.rasterise import rasterise
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

OPEN_ENDS = ("head", "drain", "collector")      # kinds with a head, whose rate follows


@dataclass(frozen=True)
class Well:
    """Well at electrode rows or in a box, with a rate (injection) or a head."""

    name: str
    kind: str                       # injection | head | drain | collector
    at: str | None = None           # "anodes", "cathodes" or a row's name; None: in `box`
    box: Box | None = None          # corners (x, y, z), (x, y, z) [m]
    rate: float | None = None       # m3/s, the sum over the well, for an injection
    head: float | None = None       # m
    max_rate: float | None = None   # m3/s, largest rate that it gives (head) or takes
    max_head: float | None = None   # m, largest head of an injection; None: whatever its rate needs
    composition: dict[str, float] = field(default_factory=dict)    # component -> mol/m3

    @property
    def words(self) -> str:
        """Kind of well that it is, for a report."""
        return self.kind

    @property
    def way(self) -> str:
        """Name of its columns."""
        return f"well_{self.name}"


class WellReader:
    """Reader of [[well]] for a grid; problems go to `problems`."""

    def __init__(self, grid: Grid, chem: ChemicalSystem, problems: Problems):
        self.grid, self.chem, self.problems = grid, chem, problems

    def read(self, entries: Sequence[WellEntry], rows: Mapping[str, Row]) -> tuple[Well, ...]:
        """Return the wells; `rows` are the electrode rows that `at` may name."""
        self.problems.attempt(self.problems.check_names, entries, ("well",), "well")
        return tuple(self.problems.attempt(self._well, ("well", n), entry, rows)
                     for n, entry in enumerate(entries))

    def read_stages(self, stages: Sequence[StageEntry], entries: Sequence[WellEntry]
                    ) -> tuple[tuple[Well | None, ...], ...]:
        """Return the wells in every stage, as [[schedule.stage.well]] changes them; None: closed.
        """
        return tuple(self.problems.attempt(self._stage, ("schedule", "stage", n), stage, entries)
                     for n, stage in enumerate(stages))

    def _stage(self, path: KeyPath, stage: StageEntry, entries: Sequence[WellEntry]
               ) -> tuple[Well | None, ...]:
        """Return the wells in one stage."""
        self.problems.attempt(self.problems.check_names, stage.well, (*path, "well"), "well")
        changes = {change.name: (n, change) for n, change in enumerate(stage.well)}
        known = [entry.name for entry in entries]
        for name, (n, _) in changes.items():
            if name not in known:
                self.problems.add((*path, "well", n, "name"), f"there is no [[well]] {quoted(name)}"
                                  + suggest(name, known))
        wells: list[Well | None] = []
        for n, entry in enumerate(entries):
            if entry.name not in changes:
                wells.append(self._data(("well", n), entry))
            elif changes[entry.name][1].off:
                wells.append(None)
            else:
                m, change = changes[entry.name]
                wells.append(self._data((*path, "well", m), self._changed(entry, change)))
        return tuple(wells)

    @staticmethod
    def _changed(entry: WellEntry, change: StageWell) -> WellEntry:
        """Return a [[well]] with the keys that a stage gives; a rate replaces flux and area."""
        given = {key: value for key, value in change if value is not None
                 and key not in ("name", "off")}
        if "rate" in given:
            given = {"flux": None, "area": None} | given
        elif "flux" in given:
            given["rate"] = None
        return entry.model_copy(update=given)

    def _well(self, path: KeyPath, well: WellEntry, rows: Mapping[str, Row]) -> Well:
        """Return the Well of one [[well]]."""
        self._check_place(path, well, rows)
        return self._data(path, well)

    def _data(self, path: KeyPath, well: WellEntry) -> Well:
        """Return the Well of one [[well]], or of one that a stage has changed."""
        rate = self._rate(path, well)
        self._check_keys(path, well)
        feed = composition(well.composition, (*path, "composition"), self.chem, self.problems)
        return Well(well.name, well.kind, well.at, well.box, rate, well.head, well.max_rate,
                    well.max_head, feed)

    def _check_place(self, path, well, rows):
        """Check that the well has one place, which exists and lies in the block."""
        add = self.problems.add
        if (well.at is None) == (well.box is None):
            add(path, f"well {quoted(well.name)} needs either at = \"anodes\", \"cathodes\" or a "
                "row's name, or box = [[x0, y0, z0], [x1, y1, z1]]")
        known = ("anodes", "cathodes", *rows)
        if well.at is not None and well.at not in known:
            add((*path, "at"), f"no row {quoted(well.at)}" + suggest(well.at, known))
        if well.box is not None:
            try:
                rasterise(well.box, self.grid)
            except ValueError as e:
                add((*path, "box"), f"{e}; move or shorten it")

    def _check_keys(self, path, well):
        """Check that head, max_rate and composition suit the kind of well."""
        add = self.problems.add
        if well.kind in OPEN_ENDS and well.head is None:
            add(path, f"a {well.kind} needs head = \"0 m\" or the like")
        if well.kind not in ("injection", "head") and well.composition:
            add((*path, "composition"), f"a {well.kind} admits no water, so it has no "
                "composition; leave it out")
        if well.kind == "injection":
            for key in ("head", "max_rate"):
                if getattr(well, key) is not None:
                    add((*path, key), "an injection has a rate (or flux and area) and nothing "
                        "else but max_head; for a head with a limit take kind = \"head\"")
        elif well.max_head is not None:
            add((*path, "max_head"), f"a {well.kind} has a head; leave it out, or take kind = "
                "\"injection\"")

    def _rate(self, path, well):
        """Return the rate [m3/s] of an injection, given or as flux times area; else None."""
        given = [key for key in ("rate", "flux", "area") if getattr(well, key) is not None]
        if well.kind != "injection":
            for key in given:
                self.problems.add((*path, key), f"a {well.kind} has a head, and its rate follows; "
                                  "leave it out, or take kind = \"injection\"")
            return None
        if given not in (["rate"], ["flux", "area"]):
            self.problems.add(path, "an injection needs either rate, or flux and area; it has "
                              + (" and ".join(given) or "none of them"))
            return MISSING
        return well.rate if given == ["rate"] else well.flux * well.area
