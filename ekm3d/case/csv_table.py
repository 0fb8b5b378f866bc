"""CSV files of a case: named columns with units; error messages name the line.

Lines that begin with # and empty lines are skipped; the first other line holds the column names.
A name may end in a unit, `LREE_mg_per_kg`, `x_m`, `water_content_percent`: "_per_" stands for the
division. Otherwise `unit` is given where the file is named; coordinates are then in metres, and
pure numbers need no unit.
"""

import csv
from pathlib import Path
from typing import NoReturn

import numpy as np

from ekm3d.case.units import QuantityKind
from ekm3d.grid.grid import Grid
from ekm3d.suggest import suggest

LENGTH = QuantityKind("m", "0.5")


class CsvTable:
    """Rows of one CSV file; every method raises ValueError with a message for the user.

    columns: names; rows: lists of cells (text); lines: line number of each row.
    """

    def __init__(self, path: Path):
        self.name = Path(path).name
        try:
            text = Path(path).read_bytes().decode()
        except FileNotFoundError:
            raise ValueError(f"there is no file {self.name!r} in {Path(path).parent}") from None
        except (OSError, ValueError) as e:      # a null byte in the path is a ValueError
            reason = e.strerror if isinstance(e, OSError) else str(e)
            if isinstance(e, UnicodeDecodeError):
                reason = f"byte {e.start} is not UTF-8 text"
            raise ValueError(f"cannot read {self.name}: {reason}") from None
        lines = [(n, line) for n, line in enumerate(text.splitlines(), 1)
                 if line.strip() and not line.lstrip().startswith("#")]
        if len(lines) < 2:
            raise ValueError(f"{self.name} holds no data: a line of column names and rows under "
                             "it are needed")
        rows = [[cell.strip() for cell in next(csv.reader([line]))] for _, line in lines]
        self.columns, self.rows = rows[0], rows[1:]
        self.lines = [n for n, _ in lines[1:]]
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise ValueError(f"{self.name}:{lines[0][0]}: column {column!r} appears twice")
        for line, row in zip(self.lines, self.rows, strict=True):
            if len(row) != len(self.columns):
                self._refuse(line, f"{len(row)} values under {len(self.columns)} columns")

    def __len__(self) -> int:
        return len(self.rows)

    def _refuse(self, line: int, message: str) -> NoReturn:
        """Raise ValueError about a line of the file."""
        raise ValueError(f"{self.name}:{line}: {message}")

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column as text."""
        if column not in self.columns:
            raise ValueError(f"{self.name} has no column {column!r}"
                             + suggest(column, self.columns))
        n = self.columns.index(column)
        return [row[n] for row in self.rows]

    def values(self, column: str, kind: QuantityKind, unit: str | None = None) -> np.ndarray:
        """Return a column (rows,) in SI units, each number within the limits of `kind`."""
        cells = self.texts(column)
        scale = self._scale(column, kind, unit)
        try:
            numbers = np.array(cells, dtype=float) * scale
        except ValueError:
            for line, cell in zip(self.lines, cells, strict=True):
                try:
                    float(cell)
                except ValueError:
                    self._refuse(line, f"{column} is {cell!r}, which is not a number")
            raise
        good = kind.holds(numbers)
        if not good.all():
            first = int(np.argmin(good))
            limits = kind.range if np.isfinite(numbers[first]) else "a finite number"
            self._refuse(self.lines[first], f"{column} is {cells[first]}; it must be {limits}")
        return numbers

    def positions(self) -> np.ndarray:
        """Return the coordinates x, y, z [m] (rows, 3) of columns x or x_m, x_cm, ..."""
        axes = []
        for axis in "xyz":
            found = [c for c in self.columns if c == axis or c.startswith(axis + "_")]
            if len(found) != 1:
                raise ValueError(f"{self.name} needs one column {axis} or {axis}_m; its columns "
                                 f"are {', '.join(self.columns)}")
            axes.append(self.values(found[0], LENGTH, None if found[0] != axis else "m"))
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

    def _scale(self, column, kind, unit):
        """Return the factor from the column's unit to SI."""
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
                raise ValueError(f"{self.name}: the unit of column {column!r} is not known; add "
                                 f"unit = \"...\" (something like the unit of {kind.example!r})")
            return 1.0 if own is None else own
        try:
            scale = kind.factor(unit)
        except ValueError as e:
            raise ValueError(f"unit {unit!r} does not fit: {e}; the value is like "
                             f"{kind.example!r}") from None
        if own is not None and abs(own / scale - 1) > 1e-9:
            raise ValueError(f"unit {unit!r} contradicts the column's name {column!r} in "
                             f"{self.name}")
        return scale
