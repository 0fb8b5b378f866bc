"""Results of a run as pictures and reports need them: names, units, places, blanked electrodes.

    run = Run.of("cases/field_block")        # a case with results in its out/, or their directory
    run.field("pH", -1)                      # NaN inside electrodes and where there is no ore
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from ekm3d.constants import HOUR
from ekm3d.grid.rasterise import line_voxels
from ekm3d.output.results import FIELDS_FILE, Results, ResultsError, open_results

OXYGEN = 15.999e-3                              # kg/mol
PER_OXIDE = {"Ce": 2.0, "Pr": 11 / 6, "Tb": 7 / 4}      # atoms of oxygen per metal; others 3/2
ANODE, CATHODE, IDLE = "anode", "cathode", "idle"


@dataclass(frozen=True)
class Component:
    """Component of the chemistry: name, label of reports, group, charge, kg/mol."""

    name: str
    label: str
    group: str
    charge: float
    molar_mass: float

    @property
    def oxide_mass(self) -> float:
        """Mass of its customary oxide per mole of metal [kg/mol]: CeO2, Pr6O11, Tb4O7, else M2O3.
        """
        element = self.name.split("+")[0]
        return self.molar_mass + PER_OXIDE.get(element, 1.5) * OXYGEN


@dataclass(frozen=True)
class Electrode:
    """Electrode on the grid: number of its row, and the box of its voxels (z, y, x slices)."""

    row: int
    box: tuple[slice, slice, slice]


@dataclass(frozen=True)
class RodAxis:
    """Rod, wire or thin strip, whose voxels stay ore: number of its row, ends x, y, z [m], radius.
    """

    row: int
    start: tuple[float, ...]
    end: tuple[float, ...]
    radius: float


class Run:
    """Results of one run; arrays are (nz, ny, nx), times in hours.

    ResultsError where something that is asked for is not there.
    """

    def __init__(self, results: Results, name: str = "") -> None:
        self.results = results
        self.directory = results.directory
        self.name = name or (self.directory.resolve().parent.name
                             if self.directory.name == "out" else self.directory.name)
        self.times = results.times / HOUR
        self.grid = results.grid
        self.names = results.fields
        self.provenance = results.provenance
        self.facts: dict[str, Any] = self.provenance.get("facts", {})
        if not len(self.times):
            raise ResultsError(f"{self.directory} holds no snapshot yet: wait until the run has "
                               "written one")

    @classmethod
    def of(cls, place: str | Path) -> "Run":
        """Return the run in a results directory, or in `out` of a case; ResultsError."""
        place = Path(place)
        inner = place / "out"
        if not (place / FIELDS_FILE).is_file() and (inner / FIELDS_FILE).is_file():
            place = inner
        return cls(open_results(place))

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Numbers at the end of the run; {} while it goes on."""
        try:
            return self.results.summary
        except ResultsError:
            return {}

    @cached_property
    def series(self) -> dict[str, np.ndarray]:
        """{column: values} of series.csv; {} where there is none yet."""
        try:
            return self.results.series
        except ResultsError:
            return {}

    @property
    def title(self) -> str:
        """Title of the case."""
        return str(self.summary.get("title") or self.facts.get("title") or self.name)

    @property
    def hours(self) -> np.ndarray:
        """Times of the series [h]."""
        return self.series.get("time", np.zeros(0))

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """All components but acidity; () where an older version of the program has run."""
        hydrogen = self.facts.get("hydrogen")
        return tuple(Component(**entry) for entry in self.facts.get("components", ())
                     if entry["name"] != hydrogen)

    def group(self, name: str) -> tuple[Component, ...]:
        """Components that count as "REE", "impurity" or "ammonium"."""
        return tuple(c for c in self.components if c.group == name)

    def column(self, name: str) -> np.ndarray | None:
        """Column of the series; None where it is missing or empty throughout."""
        values = self.series.get(name)
        return None if values is None or np.isnan(values).all() else values

    def flows(self, litres: np.ndarray) -> bool:
        """Return whether an amount of water is more than rounding: 1e-9 of the block."""
        block = float(np.prod(self.grid.shape)) * self.grid.voxel_volume
        return bool(litres[-1] > 1e-9 * 1e3 * block)

    def last(self, name: str) -> float | None:
        """Last value of a column; None where it is missing or empty."""
        values = self.column(name)
        return None if values is None or np.isnan(values[-1]) else float(values[-1])

    @cached_property
    def rows_of_metal(self) -> np.ndarray:
        """Number of the electrode row in every voxel, from 1; 0 in ore."""
        if "electrode_row" not in self.names:
            return np.zeros(self.grid.shape, int)
        return self.results.field("electrode_row").astype(int)

    @cached_property
    def blank(self) -> np.ndarray:
        """Mask of voxels that hold no ore: electrodes, and air."""
        blank = self.rows_of_metal > 0
        if "density" in self.names:
            density = self.results.field("density", 0)
            blank = blank | ~(density > 0)
        return blank

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """Names of the electrode rows."""
        count = int(self.rows_of_metal.max(initial=0))
        named = tuple(self.facts.get("rows", ())) or tuple(
            name[5:] for name in self.series if name.startswith("acid_"))
        return named if len(named) >= count else tuple(f"row {n + 1}" for n in range(count))

    @cached_property
    def electrodes(self) -> tuple[Electrode, ...]:
        """Strips and plates: connected voxels of a row."""
        found = []
        for row in range(1, len(self.rows) + 1):
            labels, _ = ndimage.label(self.rows_of_metal == row)
            found += [Electrode(row - 1, box) for box in ndimage.find_objects(labels)]
        return tuple(found)

    @cached_property
    def rods(self) -> tuple[RodAxis, ...]:
        """Electrodes thinner than a voxel; () where an older version of the program has run."""
        return tuple(RodAxis(rod["row"], tuple(rod["start"]), tuple(rod["end"]), rod["radius"])
                     for rod in self.facts.get("rods", ()))

    @cached_property
    def voxels_of_rods(self) -> np.ndarray:
        """Number of the row whose rods pass a voxel, from 1; 0 elsewhere."""
        found = np.zeros(self.grid.shape, int)
        for rod in self.rods:
            found[line_voxels(rod.start, rod.end, self.grid)] = rod.row + 1
        return found

    def roles(self, hour: float) -> tuple[str, ...]:
        """Role of every row at a time: "anode", "cathode" or "idle".

        That of the stage which begins or goes on then, as the fields of a snapshot have it; without
        a list of stages by the sign of the currents.
        """
        stages = self.facts.get("stages", [])
        begins = np.cumsum([0.0] + [stage["duration"] for stage in stages]) / HOUR
        if not stages or hour > begins[-1] * (1 + 1e-9):
            return self._signs(hour)
        n = int(np.searchsorted(begins[:-1], hour * (1 + 1e-9) + 1e-9, side="right")) - 1
        stage = stages[max(n, 0)]
        return tuple(ANODE if row in stage["anodes"] else CATHODE if row in stage["cathodes"]
                     else IDLE for row in self.rows)

    def _signs(self, hour: float) -> tuple[str, ...]:
        """Role of every row by the sign of its current when power was last on."""
        currents = [self.column(f"current_{name}") for name in self.rows]
        table = np.array([np.zeros(len(self.hours)) if c is None else c for c in currents])
        if not table.size:
            return (IDLE,) * len(self.rows)
        until = np.searchsorted(self.hours, hour * (1 + 1e-9) + 1e-9, side="right")
        sizes = np.abs(table[:, :max(until, 1)])
        driven = np.flatnonzero(sizes.max(0) > 0)
        if not driven.size:
            return (IDLE,) * len(self.rows)
        now = table[:, driven[-1]]
        least = 1e-9 * np.abs(now).max()
        return tuple(ANODE if i > least else CATHODE if i < -least else IDLE for i in now)

    def index(self, hour: float) -> int:
        """Number of the snapshot nearest to a time [h]."""
        return int(np.abs(self.times - hour).argmin())

    def is_driven(self, n: int) -> bool:
        """Return whether any row is driven at a snapshot."""
        return bool({ANODE, CATHODE} & {*self.roles(self.times[n])})

    def driven(self, snapshots: Sequence[int]) -> int:
        """Return the last of some snapshots at which rows are driven; the last where none is."""
        on = [n for n in snapshots if self.is_driven(n)]
        return on[-1] if on else snapshots[-1]

    def field(self, name: str, n: int = -1) -> np.ndarray:
        """Return a field at a snapshot as float64, NaN where there is no ore; ResultsError."""
        values = np.array(self.results.field(name, n), float)
        values[self.blank] = np.nan
        return values

    @property
    def end(self) -> float:
        """Time that the run has come to [h]: of its last row or snapshot."""
        return float(max([self.times[-1], *self.hours[-1:]]))

    def stage_ends(self) -> list[tuple[float, str]]:
        """Ends [h] of all stages but the last, with the name of the one that follows."""
        stages = self.facts.get("stages", [])
        ends = np.cumsum([stage["duration"] for stage in stages]) / HOUR
        follow = zip(ends[:-1], stages[1:], strict=True)
        return [(float(end), str(after["name"])) for end, after in follow if end > 0]

    def well_kinds(self) -> dict[str, str]:
        """{way: kind} of wells, boundaries of the ground and sides, "well_feed" to "injection".

        "side_x-" to "side". Ways are the beginnings of columns of the series.
        """
        openings = {str(o["way"]): str(o["kind"]) for o in self.facts.get("openings", ())}
        return openings | {f"side_{face}": "side" for face in self.facts.get("sides", ())}

    def way_words(self) -> dict[str, str]:
        """{way: words} for the kinds of `well_kinds`: of boundaries "rain", "drainage", ..."""
        return self.well_kinds() | {str(o["way"]): str(o["words"])
                                    for o in self.facts.get("openings", ()) if "words" in o}
