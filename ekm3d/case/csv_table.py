"""CSV files of a case: named columns with units; error messages name the line.

Cells are separated by commas, and numbers have a decimal point, unless a Layout says otherwise.
Lines that begin with # and empty lines are skipped; the first other line holds the column names.
A name may end in a unit, `LREE_mg_per_kg`, `x_m`, `water_content_percent`: "_per_" stands for the
division. Otherwise `unit` is given where the file is named; coordinates are then in metres, and
pure numbers need no unit.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from ekm3d.case.units import QuantityKind
from ekm3d.grid.grid import Grid
from ekm3d.quoting import quoted, some
from ekm3d.regular_file import MIB
from ekm3d.suggest import suggest
from ekm3d.text_file import NotUTF8, read_text

LARGEST = 128 * MIB             # bytes of a file
WIDEST, LONGEST = 1000, 200     # columns; characters of a column's name
LENGTH = QuantityKind("m", "0.5")
SIGNS = {",": "commas", ";": "semicolons", "\t": "tabs"}


@dataclass(frozen=True)
class Layout:
    """Signs of a CSV file: between the cells, and in numbers."""

    separator: str = ","
    decimal: str = "."


COMMA = Layout()
DIALECTS = {"excel": COMMA, "excel-de": Layout(";", ","), "excel-tab": Layout("\t")}


def layout_of(dialect: str, separator: str | None, decimal: str | None) -> Layout:
    """Return the Layout of a dialect, with other signs where they are given.

    separator: "," | ";" | "tab"; decimal commas alone mean semicolons. ValueError where both signs
    are the same.
    """
    layout = DIALECTS[dialect]
    if decimal is not None:
        layout = Layout(";" if decimal == layout.separator else layout.separator, decimal)
    if separator is not None:
        layout = Layout("\t" if separator == "tab" else separator, layout.decimal)
    if layout.separator == layout.decimal:
        raise ValueError(f"{layout.decimal!r} cannot both separate the cells and be the decimal "
                         "sign; separator = \";\" goes with decimal commas")
    return layout


class CsvTable:
    """Rows of one CSV file; every method raises ValueError with a message for the user.

    columns: names; rows: lists of cells (text); lines: line number of each row.
    """

    def __init__(self, path: Path, layout: Layout = COMMA):
        """layout: what separates cells, and the decimal sign."""
        self.name = Path(path).name
        try:
            text = read_text(path, LARGEST)
        except FileNotFoundError:
            raise ValueError(f"there is no file {quoted(self.name)} in "
                             f"{Path(path).parent}") from None
        except (OSError, ValueError) as e:      # a null byte in the path is a ValueError
            reason = e.strerror if isinstance(e, OSError) else str(e)
            place = f" line {e.line}:" if isinstance(e, NotUTF8) else ""
            raise ValueError(f"cannot read {self.name}:{place} {reason}") from None
        lines = [(n, line) for n, line in enumerate(text.splitlines(), 1)
                 if line.strip() and not line.lstrip().startswith("#")]
        if lines and (given := re.fullmatch(r"\"?sep=(.)\"?", lines[0][1].strip(" "))):
            if given[1] not in SIGNS or given[1] == layout.decimal:     # a line of Excel
                self._refuse(lines[0][0], f"{quoted(given[1])} cannot separate cells; it can be a "
                             "comma, a semicolon or a tab")
            layout = Layout(given[1], layout.decimal)
            lines = lines[1:]
        self.layout = layout
        if len(lines) < 2:
            raise ValueError(f"{self.name} holds no data: a line of column names and rows under "
                             "it are needed")
        rows = [self._cells(n, line) for n, line in lines]
        self._check_separator(*lines[0])
        if len(rows[0]) > WIDEST or max(map(len, rows[0])) > LONGEST:
            self._refuse(lines[0][0], f"{len(rows[0])} columns, with names of up to "
                         f"{max(map(len, rows[0]))} characters; {WIDEST} with names of {LONGEST} "
                         "are the most")
        self.columns, self.rows = rows[0], rows[1:]
        self.lines = [n for n, _ in lines[1:]]
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise ValueError(f"{self.name}:{lines[0][0]}: column {quoted(column)} appears "
                                 "twice")
        for line, row in zip(self.lines, self.rows, strict=True):
            if len(row) != len(self.columns):
                self._refuse(line, f"{len(row)} values under {len(self.columns)} columns")

    def __len__(self) -> int:
        return len(self.rows)

    def _cells(self, line: int, text: str) -> list[str]:
        """Return the cells of a line."""
        try:
            return [cell.strip() for cell in next(csv.reader([text],
                                                             delimiter=self.layout.separator))]
        except csv.Error as error:
            reason = f"a cell has more than {csv.field_size_limit():,} characters" \
                if "limit" in str(error) else str(error)
            self._refuse(line, f"cannot be read: {reason}")

    def _check_separator(self, line: int, names: str) -> None:
        """Refuse column names that another character separates than the one expected."""
        own = self.layout.separator
        if own in names:
            return
        for sign, remedy in ((";", 'dialect = "excel-de" (semicolons and decimal commas) or '
                              'separator = ";"'), ("\t", 'dialect = "excel-tab"'),
                             (",", "leave out dialect and separator")):
            if sign in names:
                self._refuse(line, f"the cells seem to be separated by {SIGNS[sign]}, not by "
                             f"{SIGNS.get(own, own)}; where the file is named, {remedy}")

    def _numbers(self, column: str, cells: list[str]) -> np.ndarray:
        """Return the numbers of a column; ValueError names the first line without one."""
        decimal = self.layout.decimal
        numbers = np.empty(len(cells))
        for n, (line, cell) in enumerate(zip(self.lines, cells, strict=True)):
            text = cell if decimal == "." else cell.replace(".", "?").replace(decimal, ".")
            try:
                numbers[n] = float(text.replace("_", "?"))
            except ValueError:
                other = "," if decimal == "." else "."
                hint = ""
                if other in cell:
                    hint = f"; the decimal sign here is {decimal!r}, see decimal and dialect"
                self._refuse(line, f"{column} is {quoted(cell)}, which is not a number{hint}")
        return numbers

    def _refuse(self, line: int, message: str) -> NoReturn:
        """Raise ValueError about a line of the file."""
        raise ValueError(f"{self.name}:{line}: {message}")

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column as text."""
        if column not in self.columns:
            raise ValueError(f"{self.name} has no column {quoted(column)}"
                             + suggest(column, self.columns))
        n = self.columns.index(column)
        return [row[n] for row in self.rows]

    def values(self, column: str, kind: QuantityKind, unit: str | None = None) -> np.ndarray:
        """Return a column (rows,) in SI units, each number within the limits of `kind`."""
        cells = self.texts(column)
        scale = scale_of(self.name, column, kind, unit)
        numbers = self._numbers(column, cells) * scale
        good = kind.holds(numbers)
        if not good.all():
            first = int(np.argmin(good))
            self._refuse(self.lines[first], f"{column} is {quoted(cells[first])[1:-1]}; it must be "
                         + kind.wanted(numbers[first]))
        return numbers

    def positions(self, kind: QuantityKind = LENGTH) -> np.ndarray:
        """Return the coordinates x, y, z [m] (rows, 3) of columns x or x_m, x_cm, ...

        kind: of a coordinate; those of real space reach farther.
        """
        axes = []
        for axis in "xyz":
            found = [c for c in self.columns if c == axis or c.startswith(axis + "_")]
            if len(found) != 1:
                raise ValueError(f"{self.name} needs one column {axis} or {axis}_m; its columns "
                                 f"are {some(self.columns)}")
            axes.append(self.values(found[0], kind, None if found[0] != axis else "m"))
        return np.stack(axes, axis=1)

    def positions_inside(self, grid: Grid) -> np.ndarray:
        """Return `positions()`; raises ValueError unless all lie in the block."""
        points = self.positions()
        for line, point in zip(self.lines, points, strict=True):
            if grid.voxel_at(point) is None:
                ends = ", ".join(f"{a} {o:g} to {o + s:g}"
                                 for a, o, s in zip("xyz", grid.origin, grid.size, strict=True))
                x, y, z = point
                self._refuse(line, f"the point ({x:g}, {y:g}, {z:g}) m lies outside the block "
                             f"({ends} m)")
        return points


def scale_of(name: str, column: str, kind: QuantityKind, unit: str | None) -> float:
    """Return the factor from a column's unit to SI; name: of the file, for a message.

    The unit is given, or the end of the column's name; ValueError where it is not known.
    """
    parts = column.split("_")
    own = None
    for n in range(1, len(parts)):
        text = "_".join(parts[n:]).replace("_per_", "/").replace("_", " ")
        try:
            own = kind.factor(text)
            break
        except ValueError:
            continue
    if unit is None:
        if own is None and kind.unit:
            raise ValueError(f"{name}: the unit of column {quoted(column)} is not known; "
                             "add unit = \"...\" (something like the unit of "
                             f"{kind.example!r})")
        return 1.0 if own is None else own
    try:
        scale = kind.factor(unit)
    except ValueError as e:
        raise ValueError(f"unit {quoted(unit)} does not fit: {e}; the value is like "
                         f"{kind.example!r}") from None
    if own is not None and abs(own / scale - 1) > 1e-9:
        raise ValueError(f"unit {quoted(unit)} contradicts the column's name {quoted(column)} "
                         f"in {name}")
    return scale
