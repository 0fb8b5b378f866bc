"""What stands in the block: electrode rows, wells, points.

Plain data in SI units, built from the validated text of a case; whatever does not fit together
(a strip outside the block, two strips in one place, ...) is added to the problems.
"""

import re
from dataclasses import dataclass, field

import numpy as np

from ekm3d.boundaries.electrodes import rasterise
from ekm3d.case.csv_table import CsvTable
from ekm3d.case.toml_text import MISSING, MissingValue
from ekm3d.case.water import composition
from ekm3d.suggest import suggest

OPEN_ENDS = ("head", "drain", "collector")


@dataclass(frozen=True)
class Row:
    """Electrodes wired together; boxes ((x0, y0, z0), (x1, y1, z1)) [m], one per strip or plate."""

    name: str
    boxes: tuple
    contact_resistance: float    # ohm per strip
    catholyte_volume: float      # m3 per strip
    centre: tuple                # m, mean of the strips' centres


@dataclass(frozen=True)
class ElectrodeData:
    overpotential: float = 0.0   # V, taken off the voltage at the terminals while a stage drives
    rows: tuple = ()
    plate_capture: float = 0.0   # m/s per A/m2: velocity at which REE is caught on cathodes
    deposition: float = 0.0      # 1/s: suspended hydroxides onto the cathode


@dataclass(frozen=True)
class Well:
    name: str
    kind: str                    # injection | head | drain | collector
    at: str = None               # "anodes", "cathodes" or a row's name; None: in `box`
    box: tuple = None
    rate: float = None           # m3/s in all, for an injection
    head: float = None           # m
    max_rate: float = None       # m3/s, the most that it gives (head) or takes
    composition: dict = field(default_factory=dict)    # component -> mol/m3


@dataclass(frozen=True)
class Point:
    name: str
    position: tuple              # x, y, z [m]


class Builder:
    """Turns the tables of a case into plain data on a grid."""

    def __init__(self, grid, chem, directory, problems):
        self.grid, self.chem, self.directory, self.problems = grid, chem, directory, problems

    # --- electrodes -----------------------------------------------------------------------

    def electrodes(self, section):
        """ElectrodeData; the strips are cut at the block's sides and must not overlap."""
        if section is None:
            return ElectrodeData()
        path = ("electrodes", "row")
        self.problems.attempt(self.problems.names, section.row, path, "row")
        rows = [self.problems.attempt(self._row, n, row, section)
                for n, row in enumerate(section.row)]
        return ElectrodeData(section.overpotential, tuple(rows), section.plate_capture,
                             section.deposition)

    def _row(self, n, row, section):
        path = ("electrodes", "row", n)
        if row.name in ("anodes", "cathodes"):
            self.problems.add((*path, "name"), f"{row.name!r} stands for the rows that a stage "
                              "drives; give the row another name")
        if (row.strips is None) == (row.plates is None):
            self.problems.add(path, f"row {row.name!r} needs either strips or plates")
            raise MissingValue
        key = "plates" if row.strips is None else "strips"
        boxes = row.plates if row.strips is None else self._strips((*path, key), row.strips)
        centres = np.mean(np.array(boxes), axis=1)
        if row.strips is not None:
            boxes = [self._cut(box, row.strips.facing) for box in boxes]
        whole = [self._inside((*path, key), row.name, s, box) for s, box in enumerate(boxes, 1)]
        if not all(whole):
            raise MissingValue
        own = [row.contact_resistance, row.catholyte_volume]
        common = [section.contact_resistance, section.catholyte_volume]
        contact, tank = (c if o is None else o for o, c in zip(own, common))
        return Row(row.name, tuple(boxes), contact, tank, tuple(map(float, centres.mean(axis=0))))

    def _strips(self, path, strips):
        """Boxes of upright strips before they are cut."""
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
                                np.broadcast_to(strips.y, count).tolist())]

    def _cut(self, box, facing):
        """A strip whose middle lies in the block may stick out by half its thickness."""
        d = "xy".index(facing)
        low, high = self.grid.origin[d], self.grid.origin[d] + self.grid.size[d]
        middle = 0.5 * (box[0][d] + box[1][d])
        slack = 1e-9 * self.grid.size[d]
        if not low - slack <= middle <= high + slack:
            return box
        ends = [list(corner) for corner in box]
        ends[0][d], ends[1][d] = max(box[0][d], low), min(box[1][d], high)
        return tuple(map(tuple, ends))

    def _inside(self, path, row, strip, box):
        """Whether a box lies in the grid; if not, says so."""
        try:
            rasterise(box, self.grid)
        except ValueError as e:
            self.problems.add(path, f"electrode {strip} of row {row!r}: {e}; move or shorten it")
            return False
        return True

    def overlaps(self, electrodes, schedule):
        """No voxel may belong to two electrodes; those driven against each other come first."""
        rows, stages = electrodes.rows, schedule.stages
        strips = [(n, row.name, s, rasterise(box, self.grid)) for n, row in enumerate(rows)
                  if row is not MISSING for s, box in enumerate(row.boxes, 1)]
        roles = {}
        for stage in stages:
            if stage is not MISSING:
                roles |= dict.fromkeys(stage.anodes, "anode ")
                roles |= dict.fromkeys(stage.cathodes, "cathode ")
        owner, told = np.full(self.grid.shape, -1), set()
        size = " x ".join(f"{d:g}" for d in self.grid.spacing)
        for m, (n, name, s, place) in enumerate(strips):
            for other, first, t, _ in (strips[o] for o in np.unique(owner[place]) if o >= 0):
                if (n, other) in told:
                    continue
                told.add((n, other))
                self.problems.add(("electrodes", "row", n), (
                    f"electrode {s} of {roles.get(name, '')}{name!r} overlaps electrode {t} of "
                    f"{roles.get(first, '')}{first!r} on the grid of {size} m; move them apart or "
                    "take a finer grid.spacing"))
            owner[place] = m

    # --- wells ----------------------------------------------------------------------------

    def wells(self, entries, rows):
        """Tuple of Well."""
        self.problems.attempt(self.problems.names, entries, ("well",), "well")
        return tuple(self.problems.attempt(self._well, ("well", n), entry, rows)
                     for n, entry in enumerate(entries))

    def _well(self, path, well, rows):
        wrong = self.problems.add
        if (well.at is None) == (well.box is None):
            wrong(path, f"well {well.name!r} needs either at = \"anodes\", \"cathodes\" or a row's "
                  "name, or box = [[x0, y0, z0], [x1, y1, z1]]")
        known = ("anodes", "cathodes", *rows)
        if well.at is not None and well.at not in known:
            wrong((*path, "at"), f"no row {well.at!r}" + suggest(well.at, known))
        if well.box is not None:
            try:
                rasterise(well.box, self.grid)
            except ValueError as e:
                wrong((*path, "box"), f"{e}; move or shorten it")
        rate = self._rate(path, well)
        if well.kind in OPEN_ENDS and well.head is None:
            wrong(path, f"a {well.kind} needs head = \"0 m\" or the like")
        if well.kind not in ("injection", "head") and well.composition:
            wrong((*path, "composition"), f"a {well.kind} admits no water, so it has no "
                  "composition; leave it out")
        if well.kind == "injection":
            for key in ("head", "max_rate"):
                if getattr(well, key) is not None:
                    wrong((*path, key), "an injection has a rate (or flux and area) and nothing "
                          "else; for a head with a limit take kind = \"head\"")
        feed = composition(well.composition, (*path, "composition"), self.chem, self.problems)
        return Well(well.name, well.kind, well.at, well.box, rate, well.head, well.max_rate, feed)

    def _rate(self, path, well):
        """m3/s of an injection, from rate or flux and area; None for the other kinds."""
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

    # --- points ---------------------------------------------------------------------------

    def sampling(self, section):
        """Tuple of Point from the file of sampling points."""
        if section is None:
            return ()
        try:
            sheet = CsvTable(self.directory / section.file)
            names, places = sheet.texts("name"), sheet.inside(self.grid)
            for line, name in zip(sheet.lines, names):
                if not re.fullmatch(r"[^/,\"]+", name):
                    raise ValueError(f"{sheet.name}:{line}: {name!r} cannot name a point; it must "
                                     "not be empty or hold a slash, a comma or a quote")
                if names.count(name) > 1:
                    raise ValueError(f"{sheet.name}:{line}: point {name!r} is listed "
                                     f"{names.count(name)} times; names must differ")
        except ValueError as e:
            self.problems.add(("sampling", "file"), str(e))
            raise MissingValue from None
        return tuple(Point(n, tuple(map(float, p))) for n, p in zip(names, places))

    def probes(self, entries):
        """Tuple of Point."""
        self.problems.attempt(self.problems.names, entries, ("probe",), "probe")
        return tuple(self.problems.attempt(self._probe, ("probe", n), entry)
                     for n, entry in enumerate(entries))

    def _probe(self, path, probe):
        if self.grid.voxel_at(probe.position) is None:
            ends = ", ".join(f"{a} {o:g} to {o + s:g}" for a, o, s in
                             zip("xyz", self.grid.origin, self.grid.size))
            self.problems.add((*path, "position"), "({:g}, {:g}, {:g}) m lies outside the block "
                              "({} m)".format(*probe.position, ends))
        return Point(probe.name, tuple(probe.position))
