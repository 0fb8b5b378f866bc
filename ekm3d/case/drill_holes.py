"""Drill holes of a case, read from [[drill_holes]]: collars, surveys and intervals to samples.

Between two stations of a survey, with unit tangents t1, t2 and the angle b between them, the hole
is an arc (minimum curvature; Sawaryn and Thorogood 2005):

    step = (d2 - d1) / 2 (t1 + t2) (2/b) tan(b/2)

Intervals are composited to equal lengths along each hole; a composite is the mean of its intervals
weighted by length, and lies in its middle.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.block_files import excel_columns, parquet_columns, text_columns
from ekm3d.case.file_places import check_place, in_case
from ekm3d.case.ore_columns import Columns, Wanted, match
from ekm3d.case.problems import MISSING, MissingValue, Problems
from ekm3d.case.schema_ore_files import DrillHolesEntry
from ekm3d.case.units import factor
from ekm3d.grid.georeference import GeoReference
from ekm3d.grid.grid import Grid
from ekm3d.quoting import quoted
from ekm3d.regular_file import Folders
from ekm3d.suggest import suggest

NAMES = {
    "hole": ("hole", "bhid", "holeid", "hole_id", "hole id", "dhid", "drillhole"),
    "x": ("x", "xcollar", "east", "easting"), "y": ("y", "ycollar", "north", "northing"),
    "z": ("z", "zcollar", "rl", "elev", "elevation"),
    "depth": ("depth", "at", "distance", "md"), "azimuth": ("azimuth", "azi", "brg", "bearing"),
    "dip": ("dip", "inclination"),
    "from_depth": ("from", "from_m", "depth_from", "from_depth"),
    "to_depth": ("to", "to_m", "depth_to", "to_depth")}
SLACK = 1e-6            # m
Hole = tuple[np.ndarray, np.ndarray, np.ndarray]


class DrillHoles:
    """Drill holes in the case's coordinates; every method raises ValueError for the user.

    holes: {name: (collar (3,), depths (k,), tangents (k, 3))}; intervals: the table of samples.
    """

    def __init__(self, entry: DrillHolesEntry, folders: Folders,
                 reference: GeoReference | None = None):
        self.entry, self.folders = entry, folders
        self.reference = GeoReference() if reference is None else reference
        self.scale = factor(entry.length_unit, "m")
        self.holes: dict[str, Hole] = self._collars()
        if entry.survey is not None:
            self._survey(self._table(entry.survey, ("hole", "depth", "azimuth", "dip")))
        self.intervals = self._table(entry.intervals, ("hole", "from_depth", "to_depth"))
        self.rows = self._rows()

    def _table(self, name, wanted) -> Columns:
        options = Wanted([self._options(key) for key in wanted])
        path = self.folders.file(name)
        ending = path.suffix.lower()
        if ending == ".xlsx":
            return excel_columns(path, options)
        if ending in (".parquet", ".pq"):
            return parquet_columns(path)
        return text_columns(path, self.entry, options)

    def _options(self, key):
        given = getattr(self.entry, key)
        return (given,) if given else NAMES[key]

    def _column(self, table, key):
        """Return the name of a column of a table."""
        found = match(table.names, self._options(key))
        if found is None:
            raise ValueError(f"{table.name} has no column {quoted(self._options(key)[0])}; name "
                             f"it: {key} = ...")
        return found

    def _numbers(self, table, key, scale=1.0):
        """Return the numbers of a column that must not miss any."""
        name = self._column(table, key)
        values = table.numbers(name)
        if not np.isfinite(values).all():
            n = int(np.argmin(np.isfinite(values)))
            raise ValueError(f"{table.place(n)}: {name} is missing")
        return values * scale

    def _collars(self):
        """Return {hole: (collar, depths, tangents)}, vertical until a survey tells more."""
        table = self._table(self.entry.collar, ("hole", "x", "y", "z"))
        places = np.stack([self._numbers(table, axis, self.scale) for axis in "xyz"], axis=1)
        names = table.texts(self._column(table, "hole"))
        for n, name in enumerate(names):
            if names.index(name) < n:
                raise ValueError(f"{table.place(n)}: hole {quoted(name)} has a collar already")
        return {name: (place, np.zeros(1), np.array([[0.0, 0.0, -1.0]]))
                for name, place in zip(names, places, strict=True)}

    def _known(self, table, n, name):
        if name not in self.holes:
            raise ValueError(f"{table.place(n)}: hole {quoted(name)} has no collar in "
                             f"{self.entry.collar}")

    def _survey(self, table):
        """Take the stations of the holes."""
        names = table.texts(self._column(table, "hole"))
        depth = self._numbers(table, "depth", self.scale)
        azimuth, dip = (np.radians(self._numbers(table, key)) for key in ("azimuth", "dip"))
        down = self.entry.positive
        if down is None and (dip > 0).any() and (dip < 0).any():
            raise ValueError(f"{table.name}: dips are of both signs; write positive = \"down\" or "
                             "\"up\", the way of a positive dip")
        sign = -1.0 if down == "down" or down is None and (dip > 0).any() else 1.0
        tangents = np.stack([np.sin(azimuth) * np.cos(dip), np.cos(azimuth) * np.cos(dip),
                             sign * np.sin(dip)], axis=1)
        for n, name in enumerate(names):
            self._known(table, n, name)
        for name in dict.fromkeys(names):
            own = np.array([n for n, other in enumerate(names) if other == name])
            own = own[np.argsort(depth[own], kind="stable")]
            same = np.flatnonzero(np.diff(depth[own]) <= 0)
            if len(same):
                raise ValueError(f"{table.place(own[same[0] + 1])}: hole {quoted(name)} has two "
                                 f"stations at {depth[own[same[0]]] / self.scale:g}")
            self.holes[name] = self.holes[name][0], depth[own], tangents[own]

    def _rows(self):
        """Return {hole: rows of its intervals by depth}, checked."""
        table = self.intervals
        names = table.texts(self._column(table, "hole"))
        self.start = self._numbers(table, "from_depth", self.scale)
        self.end = self._numbers(table, "to_depth", self.scale)
        rows: dict[str, Any] = {}
        for n, name in enumerate(names):
            self._known(table, n, name)
            if not self.end[n] > self.start[n] >= 0:
                raise ValueError(f"{table.place(n)}: an interval from {self.start[n]:g} to "
                                 f"{self.end[n]:g} m; it must begin at 0 or deeper, and end below")
            rows.setdefault(name, []).append(n)
        for name, own in rows.items():
            own = np.array(own)[np.argsort(self.start[own], kind="stable")]
            over = self.start[own[1:]] < self.end[own[:-1]] - SLACK
            if over.any():
                n = own[1:][int(np.argmax(over))]
                raise ValueError(f"{table.place(n)}: the interval from {self.start[n]:g} to "
                                 f"{self.end[n]:g} m of hole {quoted(name)} overlaps another")
            rows[name] = own
        return rows

    def composites(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (places (m, 3) [m], means (m, columns)) of values (intervals, columns).

        Intervals that miss any of the values are left out.
        """
        there = np.isfinite(values).all(axis=1)
        places, means = [], []
        for name, rows in self.rows.items():
            rows = rows[there[rows]]
            if not len(rows):
                continue
            low, high = self.start[rows], self.end[rows]
            length = self.entry.composite
            if length is None:
                middle, mean = 0.5 * (low + high), values[rows]
            else:
                edges = low[0] + length * np.arange(
                    max(1, int(np.ceil((high[-1] - low[0]) / length - 1e-9))) + 1)
                part = np.clip(np.minimum(edges[1:, None], high) - np.maximum(edges[:-1, None],
                                                                              low), 0.0, None)
                held = part.sum(axis=1)
                kept = held >= self.entry.least * length - SLACK
                middle = 0.5 * (edges[1:] + edges[:-1])[kept]
                mean = (part @ values[rows] / np.maximum(held, 1e-300)[:, None])[kept]
            places.append(positions(*self.holes[name], middle))
            means.append(mean)
        if not places or not sum(map(len, places)):
            raise ValueError(f"{self.intervals.name}: no interval has a value")
        return (in_case(np.concatenate(places), self.entry, self.reference),
                np.concatenate(means))


class DrillHoleSets:
    """Sets of drill holes of a case by name; problems go to `problems`."""

    def __init__(self, entries: Sequence[DrillHolesEntry], folders: Folders, problems: Problems,
                 reference: GeoReference | None = None):
        """reference: of what is in real coordinates."""
        self.entries, self.folders, self.problems = entries, folders, problems
        self.reference = GeoReference() if reference is None else reference
        self._read: dict[str, Any] = {}
        problems.attempt(problems.check_names, entries, ("drill_holes",), "set of drill holes")

    def holes(self, name: str) -> tuple[DrillHoles, DrillHolesEntry]:
        """Return a set and its entry; ValueError for an unknown one, MissingValue for a wrong one.
        """
        names = {entry.name: n for n, entry in enumerate(self.entries)
                 if entry.name is not MISSING}
        if name not in names:
            raise ValueError(f"there are no drill holes {quoted(name)}" + (
                suggest(name, names) if names else "; add [[drill_holes]] with that name"))
        n = names[name]
        if name not in self._read:
            check_place(self.entries[n], self.reference, ("drill_holes", n), self.problems)
            try:
                self._read[name] = DrillHoles(self.entries[n], self.folders,
                                              self.reference)
            except ValueError as error:
                told = next((key for key in ("collar", "survey") if str(error).startswith(
                    Path(getattr(self.entries[n], key) or "?").name)), "intervals")
                self.problems.add(("drill_holes", n, told), str(error))
                self._read[name] = MISSING
        if self._read[name] is MISSING:
            raise MissingValue
        return self._read[name], self.entries[n]

    def check_near(self, name: str, points: np.ndarray, grid: Grid) -> None:
        """Refuse samples (n, 3) that lie farther from the block than both are large together.

        Values between such samples are a constant: the holes are in other coordinates than the
        case. Adds a problem and raises MissingValue.
        """
        low, high = np.array(grid.origin), np.add(grid.origin, grid.size)
        first, last = points.min(axis=0), points.max(axis=0)
        away = np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0.0), axis=1)
        if away.min() <= np.linalg.norm(high - low) + np.linalg.norm(last - first):
            return
        n = [entry.name for entry in self.entries].index(name)
        holes, block = (", ".join(f"{axis} {a:g} to {b:g}" for axis, a, b in zip(
            "xyz", *ends, strict=True)) for ends in ((first, last), (low, high)))
        keys = "grid.real_origin and grid.rotation tell" \
            if self.entries[n].coordinates == "real" else \
            "origin and rotation, or coordinates = \"real\", tell"
        self.problems.add(("drill_holes", n, "collar"), (
            f"the samples reach over {holes} m, the block of the grid over {block} m, and "
            f"the nearest is {away.min():.3g} m away; {keys} where the case lies among the holes"))
        raise MissingValue


def positions(collar: np.ndarray, depths: np.ndarray, tangents: np.ndarray,
              where: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return places (n, 3) at depths `where` along a hole [m], by minimum curvature.

    collar (3,); depths (k,) ascending and unit tangents (k, 3) of the stations. Above the first
    and below the last station the hole is straight.
    """
    where = np.asarray(where, float)
    stations = [collar + depths[0] * tangents[0]]
    for n in range(len(depths) - 1):
        stations.append(stations[-1] + _arc(tangents[n], tangents[n + 1],
                                            depths[n + 1] - depths[n]))
    out = np.empty((len(where), 3))
    for m, depth in enumerate(where):
        n = int(np.searchsorted(depths, depth, "right")) - 1
        if n < 0:
            out[m] = collar + depth * tangents[0]
        elif n == len(depths) - 1:
            out[m] = stations[n] + (depth - depths[n]) * tangents[n]
        else:
            share = (depth - depths[n]) / (depths[n + 1] - depths[n])
            there = _turned(tangents[n], tangents[n + 1], share)
            out[m] = stations[n] + _arc(tangents[n], there, depth - depths[n])
    return out


def _arc(one, other, length):
    """Return the step along an arc between two tangents."""
    angle = _angle(one, other)
    ratio = np.tan(angle / 2) / (angle / 2) if angle > 1e-6 else 1.0 + angle**2 / 12
    return 0.5 * length * ratio * (one + other)


def _turned(one, other, share):
    """Return the tangent at a share of the arc between two tangents."""
    angle = _angle(one, other)
    if angle < 1e-9:
        return one
    return (np.sin((1 - share) * angle) * one + np.sin(share * angle) * other) / np.sin(angle)


def _angle(one, other):
    """Return the angle between two unit vectors, exact for small ones."""
    return 2 * np.arctan2(np.linalg.norm(one - other), np.linalg.norm(one + other))
