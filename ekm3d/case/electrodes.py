"""Electrode rows of a case, read from [electrodes]: strips, plates or rods, contacts, catholyte.

Rows that do not fit (a strip outside the block, two electrodes in one voxel) are added to the
problems.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.boundaries.rods import Rod
from ekm3d.boundaries.treatment import STRONGEST, Air, Conditioning
from ekm3d.case.electrode_patterns import pattern_rows
from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.rods import RodReader
from ekm3d.case.schedule import ScheduleData
from ekm3d.case.schema_electrodes import Box, Corner, ElectrodeRow, ElectrodeRows, Strips
from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.chemistry.voxel_solver import ChemistryError
from ekm3d.constants import FARADAY
from ekm3d.grid.grid import Grid
from ekm3d.grid.rasterise import rasterise
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

# Molecules that boil below 25 C at 1 atm (CRC Handbook), H2CO3 as databases call CO2 in water.
GASES = ("CO2", "H2CO3", "NH3", "O2", "N2", "H2", "H2S", "SO2", "CH4", "N2O", "NO", "CO")
BASE = 100.0            # mol/m3 of OH- against which an acid has to hold a pH: a catholyte of pH 13


@dataclass(frozen=True)
class Row:
    """Electrodes that are wired together."""

    name: str
    boxes: tuple[Box, ...]       # corners (x, y, z), (x, y, z) [m], one box per strip or plate
    contact_resistance: float    # ohm per electrode
    catholyte_volume: float      # m3 per strip
    centre: Corner               # x, y, z [m], mean of the strips' centres
    centres: tuple[Corner, ...]  # x, y, z [m] of every strip, before a side of the block cuts it
    rods: tuple[Rod, ...] = ()   # instead of boxes: thinner than voxels
    contact_resistivity: float = 0.0                # ohm m2, in series with that of each electrode
    ageing: tuple[float, float] = (0.0, 0.0)        # of both, per C/m2 and per s

    @property
    def count(self) -> int:
        """Number of electrodes."""
        return len(self.boxes) + len(self.rods)


@dataclass(frozen=True)
class ElectrodeData:
    """All electrode rows and the properties that they share."""

    overpotential: float = 0.0   # V, subtracted from the voltage at the terminals of a driven stage
    rows: tuple[Row, ...] = ()
    plate_capture: float = 0.0   # m/s per A/m2: velocity at which REE is caught on cathodes
    deposition: float | dict[str, float] = 0.0     # 1/s at which suspended solids settle on the
    #                                                cathode: all, or those of {mineral: 1/s}
    tafel: tuple[Any, Any] = (None, None)       # (a [V], b [V], i_0 [A/m2]) of anodes, cathodes
    air: Air | None = None                      # over every catholyte
    conditioning: Conditioning | None = None    # of the catholytes of cathodes
    plate_film: str = "catholyte"               # whose base REE hydroxide on the plate needs

    def deposition_of(self, minerals: Sequence[str]) -> np.ndarray:
        """Return the rate of deposition of every mineral (minerals,) [1/s]."""
        if isinstance(self.deposition, dict):
            return np.array([self.deposition.get(name, 0.0) for name in minerals])
        return np.full(len(minerals), self.deposition)


class ElectrodeReader:
    """Reader of [electrodes] for a grid; problems go to `problems`."""

    def __init__(self, grid: Grid, problems: Problems):
        self.grid, self.problems = grid, problems

    def read(self, section: ElectrodeRows | None) -> ElectrodeData:
        """Return the ElectrodeData of a validated [electrodes]; strips end at the block's sides."""
        if section is None:
            return ElectrodeData()
        path = ("electrodes", "row")
        self.problems.attempt(self.problems.check_names, section.row, path, "row")
        rows = [self.problems.attempt(self._row, (*path, n), row, section)
                for n, row in enumerate(section.row)]
        for n, pattern in enumerate(section.pattern):
            here = ("electrodes", "pattern", n)
            entries = self.problems.attempt(pattern_rows, pattern, here, self.problems)
            if entries is not MISSING:
                rows += [self.problems.attempt(self._row, (*here, "rods"), entry, section)
                         for entry in entries]
        self._check_pattern_names(section, rows)
        self._check_film(section)
        tafel: Any = tuple(None if law is None else (law.a, law.b, law.current_density)
                      for law in (section.tafel.anode, section.tafel.cathode))
        air, held = section.air, section.conditioning
        return ElectrodeData(section.overpotential, tuple(rows), section.plate_capture,
                             section.deposition, tafel,
                             None if air is None else Air(
                                 air.species, air.saturation, air.velocity, air.area),
                             None if held is None else Conditioning(held.pH, held.acid),
                             section.plate_film)

    def _check_film(self, section):
        """Refuse a film by the current whose water would hold more base than any catholyte can."""
        least = 1.0 / (FARADAY * STRONGEST)
        if section.plate_film == "current" and 0.0 < section.plate_capture < least:
            self.problems.add(("electrodes", "plate_capture"), (
                f"{section.plate_capture:g} m/s per A/m2 is so low that water at the plate would "
                f"hold over {STRONGEST / 1e3:g} mol/l of base, 1/(F plate_capture), with "
                f"plate_film 'current'; give 0, or at least {least:.3g}"))

    def check_deposition(self, electrodes: ElectrodeData, chem: ChemicalSystem) -> None:
        """Check that every mineral with a rate of deposition takes part."""
        if isinstance(electrodes.deposition, dict):
            for name in electrodes.deposition:
                if name not in chem.minerals:
                    self.problems.add(("electrodes", "deposition", name), (
                        f"no mineral {quoted(name)} takes part" + suggest(name, chem.minerals)))

    def check_capture(self, electrodes: ElectrodeData, chem: ChemicalSystem) -> None:
        """Warn of a capture on plates where no REE hydroxide or no catholyte takes part."""
        rows = [row for row in electrodes.rows if row is not MISSING]
        capture, film = electrodes.plate_capture, electrodes.plate_film
        if capture is MISSING or film is MISSING or capture == 0.0 or not rows:
            return
        key, value = ("plate_film", film) if film == "current" else ("plate_capture",
                                                                     f"{capture:g}")
        if not chem.hydroxides("REE"):
            self.problems.warn(("electrodes", key), (
                f"{value} has no effect, plates capture nothing: no hydroxide of a rare earth is "
                "among the minerals of the case; add one to chemistry.minerals, such as "
                "'La(OH)3(am)' where La+3 takes part, or give plate_capture = 0"))
        elif not any(row.catholyte_volume > 0 for row in rows):
            self.problems.warn(("electrodes", key), (
                f"{value} has no effect, plates capture nothing: no row has a catholyte; give "
                "electrodes.catholyte_volume, such as '2 l', or plate_capture = 0"))

    def check_treatment(self, electrodes: ElectrodeData, chem: ChemicalSystem) -> None:
        """Check that the gas of the air and the dosed acid take part, and there is a catholyte."""
        air, held = electrodes.air, electrodes.conditioning
        tanks = any(row is not MISSING and row.catholyte_volume > 0 for row in electrodes.rows)
        for name, value in (("air", air), ("conditioning", held)):
            if value is not None and not tanks:
                self.problems.add(("electrodes", name), "no row has a catholyte; give "
                                  "electrodes.catholyte_volume, such as '2 l'")
        for key, fault in ((("air", "species"), _no_gas(air, chem)),
                           (("conditioning", "acid"), _no_acid(held, chem)),
                           (("conditioning", "pH"), _too_weak(held, chem))):
            if fault:
                self.problems.add(("electrodes", *key), fault)

    def check_overlaps(self, electrodes: ElectrodeData, schedule: ScheduleData) -> None:
        """Check that no voxel belongs to two electrodes; the message names the roles they have."""
        rows = electrodes.rows
        strips = [(n, row.name, s, rasterise(box, self.grid)) for n, row in enumerate(rows)
                  if row is not MISSING for s, box in enumerate(row.boxes, 1)]     # rods: geometry
        named = roles(schedule)
        owner, told = np.full(self.grid.shape, -1), set()
        size = " x ".join(f"{d:g}" for d in self.grid.spacing)
        for m, (n, name, s, place) in enumerate(strips):
            for other, first, t, _ in (strips[o] for o in np.unique(owner[place]) if o >= 0):
                if (n, other) in told:
                    continue
                told.add((n, other))
                self.problems.add(("electrodes", "row", n), (
                    f"electrode {s} of {named.get(name, '')}{quoted(name)} overlaps electrode {t} "
                    f"of {named.get(first, '')}{quoted(first)} on the grid of {size} m; move them "
                    "apart or take a finer grid.spacing"))
            owner[place] = m

    def _check_pattern_names(self, section: ElectrodeRows, rows: list) -> None:
        """Refuse a row of a pattern that has the name of another row."""
        seen = {row.name for row in section.row if row is not MISSING}
        for row in rows[len(section.row):]:
            if row is not MISSING:
                if row.name in seen:
                    self.problems.add(("electrodes", "pattern"), f"row {quoted(row.name)} of a "
                                      "pattern has the name of another row; rename the pattern")
                seen.add(row.name)

    def _row(self, path: KeyPath, row: ElectrodeRow, section: ElectrodeRows) -> Row:
        """Return the Row of one entry, with the section's values for absent ones; path: of it."""
        if row.name in ("anodes", "cathodes"):
            self.problems.add((*path, "name"), f"{quoted(row.name)} stands for the rows that a "
                              "stage drives; give the row another name")
        given = [key for key in ("strips", "plates", "rods") if getattr(row, key) is not None]
        if len(given) != 1:
            self.problems.add(path, f"row {quoted(row.name)} needs either strips, plates or rods")
            raise MissingValue
        at = path if path[-1] == "rods" else (*path, given[0])
        boxes, rods, centres = self._shapes(at, row)
        own: list[Any] = [row.contact_resistance, row.catholyte_volume, row.contact_resistivity,
                          row.ageing]
        common: list[Any] = [section.contact_resistance, section.catholyte_volume,
                             section.contact_resistivity, section.ageing]
        contact, tank, per_area, ageing = (c if o is None else o
                                           for o, c in zip(own, common, strict=True))
        x, y, z = map(float, centres.mean(axis=0))
        each = tuple((float(a), float(b), float(c)) for a, b, c in centres)
        return Row(row.name, tuple(boxes), contact, tank, (x, y, z), each, rods, per_area,
                   (ageing.charge, ageing.time))

    def _shapes(self, path: KeyPath, row: ElectrodeRow) -> tuple[Any, tuple[Rod, ...], np.ndarray]:
        """Return the boxes, the rods and the centres of a row, which has one kind of them."""
        if row.rods is not None:
            rods = RodReader(self.grid, self.problems).read(path, row.name, row.rods)
            return (), rods, np.array([np.mean([rod.start, rod.end], axis=0) for rod in rods])
        boxes: Any = row.plates if row.strips is None else self._strips(path, row.strips)
        centres = np.mean(np.array(boxes), axis=1)
        if row.strips is not None:
            boxes = [self._clip(box, row.strips.facing) for box in boxes]
        inside = [self._check_inside(path, row.name, s, box) for s, box in enumerate(boxes, 1)]
        if not all(inside):
            raise MissingValue
        return boxes, (), centres

    def _strips(self, path: KeyPath, strips: Strips) -> list[Box]:
        """Return the boxes of upright strips before they are clipped."""
        count = max(len(strips.x), len(strips.y))
        if min(len(strips.x), len(strips.y)) not in (1, count):
            self.problems.add(path, f"{len(strips.x)} centres x and {len(strips.y)} centres y; "
                              "give as many, or one of either for all")
            raise MissingValue
        if strips.top <= strips.bottom:
            self.problems.add((*path, "top"), f"{strips.top:g} m is not above the bottom "
                              f"{strips.bottom:g} m; z points up, 0 is the block's bottom")
            raise MissingValue
        half = [strips.thickness / 2, strips.width / 2][::1 if strips.facing == "x" else -1]
        return [((x - half[0], y - half[1], strips.bottom), (x + half[0], y + half[1], strips.top))
                for x, y in zip(np.broadcast_to(strips.x, count).tolist(),
                                np.broadcast_to(strips.y, count).tolist(), strict=True)]

    def _clip(self, box, facing):
        """Return a strip clipped to the block along `facing`, if its middle lies in the block.

        Such a strip may stick out by half its thickness; any other is returned as it is.
        """
        d = "xy".index(facing)
        low, high = self.grid.origin[d], self.grid.origin[d] + self.grid.size[d]
        middle = 0.5 * (box[0][d] + box[1][d])
        slack = 1e-9 * self.grid.size[d]
        if not low - slack <= middle <= high + slack:
            return box
        ends = [list(corner) for corner in box]
        ends[0][d], ends[1][d] = max(box[0][d], low), min(box[1][d], high)
        return tuple(map(tuple, ends))

    def _check_inside(self, path, row, strip, box):
        """Return True if a box lies in the grid; otherwise add a problem and return False."""
        try:
            rasterise(box, self.grid)
        except ValueError as e:
            self.problems.add(path, f"electrode {strip} of row {quoted(row)}: {e}; move or "
                                    "shorten it")
            return False
        return True


def rows_by_name(section: ElectrodeRows | None, rows: Sequence[Row]) -> dict[str, Row]:
    """Return {name: Row} of [electrodes]; a Row may be MISSING, one without a name is left out."""
    entries = section.row if section is not None else ()
    found = {entry.name: row for entry, row in zip(entries, rows, strict=False)
             if entry.name is not MISSING}
    return found | {row.name: row for row in rows[len(entries):] if row is not MISSING}


def _no_gas(air: Air | None, chem: ChemicalSystem) -> str:
    """Return why the species of `air` cannot be a dissolved gas, "" if it can."""
    if air is None or air.species is MISSING:
        return ""
    name, z = air.species, dict(zip(chem.species, chem.z, strict=True))
    gases = [s for s in chem.species if z[s] == 0 and _bare(s) in GASES]
    if name in gases:
        return ""
    if not gases:
        return "no dissolved gas takes part: of CO2, for one, choose the components of carbon"
    if name not in z:
        return f"no species {quoted(name)} takes part" + suggest(name, gases)
    what = "an ion" if z[name] else "no gas"
    return f"{quoted(name)} is {what}; name a dissolved gas" + _such_as(gases)


def _bare(species: str) -> str:
    """Return the formula of a dissolved gas, CO2 of CO2(aq)."""
    return species.removesuffix("(aq)").removesuffix(",aq").removesuffix("*")


def _no_acid(held: Conditioning | None, chem: ChemicalSystem) -> str:
    """Return why the acid of `held` cannot be dosed, "" if it can."""
    if held is None or held.acid is MISSING:
        return ""
    names = [name for name, z in zip(chem.components, chem.charge, strict=True) if z < 0]
    labels = [name for name, z in zip(chem.labels, chem.charge, strict=True) if z < 0]
    if chem.hydrogen is None:
        return "acid needs the component H+, which does not take part"
    if held.acid not in (*chem.components, *chem.labels):
        return f"no component {quoted(held.acid)} takes part" + suggest(held.acid, names, labels)
    return "" if held.acid in (*names, *labels) else (
        f"{quoted(held.acid)} is no anion; name that of the acid" + _such_as(names))


def _too_weak(held: Conditioning | None, chem: ChemicalSystem) -> str:
    """Return why the acid of `held` cannot bring a catholyte to its pH, "" if it can."""
    if held is None or held.acid is MISSING or held.pH is MISSING or _no_acid(held, chem) \
            or len(chem.species) == len(chem.components):
        return ""
    solver, anion, found = EquilibriumSolver(chem), chem.index(held.acid), []
    for amount in np.geomspace(BASE, STRONGEST, 9):
        total = np.zeros((len(chem.components), 1))
        total[anion], total[chem.hydrogen] = amount, -chem.charge[anion] * amount - BASE
        try:
            found.append(float(solver.solve_numpy(total, np.ones(1)).pH[0]))
        except ChemistryError:
            continue
    if not found or min(found) <= held.pH:
        return ""
    return (f"{STRONGEST / 1e3:g} mol/l of the acid of {quoted(held.acid)} bring a catholyte with "
            f"{BASE / 1e3:g} mol/l of base to pH {min(found):.3g} only; give pH = "
            f"{np.ceil(10 * min(found) + 5) / 10:g} or more, or a stronger acid")


def _such_as(names: Sequence[str]) -> str:
    return f": {', '.join(map(quoted, names[:5]))}" if names else ""


def roles(schedule: ScheduleData) -> dict[str, str]:
    """Return {row: "anode " or "cathode "} of the rows that any stage drives."""
    found: dict[str, str] = {}
    for stage in schedule.stages:
        if stage is not MISSING:
            found |= dict.fromkeys(stage.anodes, "anode ")
            found |= dict.fromkeys(stage.cathodes, "cathode ")
    return found
