"""Points of a case, read from [sampling] and [[probe]]: names and coordinates in the block."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ekm3d.case.csv_table import CsvTable, layout_of
from ekm3d.case.problems import NAME, NAME_RULE, KeyPath, MissingValue, Problems
from ekm3d.case.schema import Corner, ProbeEntry, SamplingEntry
from ekm3d.grid.grid import Grid
from ekm3d.quoting import quoted
from ekm3d.regular_file import Folders


@dataclass(frozen=True)
class Point:
    """Named point in the block."""

    name: str
    position: Corner             # x, y, z [m]


class PointReader:
    """Reader of sampling points and probes for a grid; problems go to `problems`."""

    def __init__(self, grid: Grid, folders: Folders, problems: Problems):
        self.grid, self.folders, self.problems = grid, folders, problems

    def sampling(self, section: SamplingEntry | None) -> tuple[Point, ...]:
        """Return the points of the CSV file that [sampling] names."""
        if section is None:
            return ()
        try:
            layout = layout_of(section.dialect, section.separator, section.decimal)
            table = CsvTable(self.folders.file(section.file), layout)
            names, positions = table.texts("name"), table.positions_inside(self.grid)
            times = Counter(names)
            for line, name in zip(table.lines, names, strict=True):
                if not re.fullmatch(NAME, name):
                    raise ValueError(f"{table.name}:{line}: {quoted(name)} cannot name a point; "
                                     f"it must not be empty or hold {NAME_RULE}")
                if times[name] > 1:
                    raise ValueError(f"{table.name}:{line}: point {quoted(name)} is listed "
                                     f"{times[name]} times; names must differ")
        except ValueError as e:
            self.problems.add(("sampling", "file"), str(e))
            raise MissingValue from None
        return tuple(Point(name, (float(x), float(y), float(z)))
                     for name, (x, y, z) in zip(names, positions, strict=True))

    def probes(self, entries: Sequence[ProbeEntry]) -> tuple[Point, ...]:
        """Return the points of [[probe]]."""
        self.problems.attempt(self.problems.check_names, entries, ("probe",), "probe")
        return tuple(self.problems.attempt(self._probe, ("probe", n), entry)
                     for n, entry in enumerate(entries))

    def _probe(self, path: KeyPath, probe: ProbeEntry) -> Point:
        """Return the Point of one [[probe]]; a problem if it lies outside the block."""
        x, y, z = probe.position
        if self.grid.voxel_at((x, y, z)) is None:
            ends = ", ".join(f"{a} {o:g} to {o + s:g}" for a, o, s in
                             zip("xyz", self.grid.origin, self.grid.size, strict=True))
            self.problems.add((*path, "position"), f"({x:g}, {y:g}, {z:g}) m lies outside the "
                              f"block ({ends} m)")
        return Point(probe.name, (x, y, z))
