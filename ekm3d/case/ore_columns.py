"""Columns of the mine's files: numbers with missing values as NaN, texts, and the place of a row.

A text file may begin with any lines; the first one that holds the wanted columns is its heading.
Lines under the heading that have no numbers in them (units, types, defaults) are skipped, and so
are empty lines and those that begin with # or *.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ekm3d.case.csv_table import SIGNS, Layout
from ekm3d.case.units import QuantityKind
from ekm3d.quoting import quoted, some
from ekm3d.regular_file import MIB
from ekm3d.suggest import suggest
from ekm3d.text_file import NotUTF8, read_text

LARGEST = 1024 * MIB        # bytes of a file
HEAD = 200                  # lines among which the heading is looked for
UNDER = 10                  # lines under it that may hold no numbers
BETWEEN = re.compile(r"[\s_.\-]")
Missing = Sequence[Any]     # texts and numbers that stand for no value
SPACE = " "                 # separator: any number of blanks


class Columns:
    """Columns of a table that is held as arrays or lists, by name.

    Methods raise ValueError with a message for the user.
    """

    def __init__(self, name: str, columns: Mapping[str, Any], row: str = "row"):
        """name: of the file; columns: {name: (rows,)}; row: the word for a row in messages."""
        self.name, self._columns, self._row = name, dict(columns), row
        self.names = list(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def place(self, n: int) -> str:
        """Return the place of row n, from 0, for a message."""
        return f"{self.name}, {self._row} {n + 1}"

    def cells(self, column: str) -> Any:
        """Return the cells of a column (rows,), texts or numbers."""
        self._known(column)
        return self._columns[column]

    def numbers(self, column: str, missing: Missing = ("",)) -> np.ndarray:
        """Return the numbers of a column (rows,), NaN where a value is missing."""
        cells = self.cells(column)
        if isinstance(cells, np.ndarray) and np.issubdtype(cells.dtype, np.number):
            values = cells.astype(float)
        else:
            values = self._parsed(column, cells, missing)
        for gap in missing:
            if isinstance(gap, (int, float)):
                values[values == gap] = np.nan
        return values

    def check(self, column: str, given: np.ndarray, values: np.ndarray, kind: QuantityKind,
              rows: np.ndarray | None = None) -> None:
        """Refuse the first number beyond the limits of its kind.

        given: as it stands in the file; values: in SI, NaN where missing; rows: theirs in the file.
        """
        wrong = np.isfinite(values) & ~kind.holds(values)
        if wrong.any():
            n = int(np.argmax(wrong))
            raise ValueError(f"{self.place(n if rows is None else rows[n])}: {column} is "
                             f"{given[n]:g}; it must be {kind.wanted(values[n])}; if it means that "
                             f"there is no value, add it to missing = [{given[n]:g}]")

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column as text, "" where there is none."""
        return ["" if cell is None else str(cell).strip() for cell in self.cells(column)]

    def _known(self, column: str) -> None:
        """Refuse a column that is not there."""
        if column not in self.names:
            raise ValueError(f"{self.name} has no column {quoted(column)}"
                             + suggest(column, self.names))

    def _number(self, text: str) -> str:
        """Return a text as Python writes numbers."""
        return text

    def _parsed(self, column: str, cells: Any, missing: Missing) -> np.ndarray:
        """Return the numbers of cells of text or of objects, NaN where one is missing."""
        gaps = {str(gap).strip().lower() for gap in missing} | {"none"}
        texts = [str(cell).strip() for cell in cells]
        plain = ["nan" if text.lower() in gaps else self._number(text) for text in texts]
        try:
            return np.array([float(text) for text in plain])
        except ValueError:
            for n, text in enumerate(plain):
                try:
                    float(text)
                except ValueError:
                    raise ValueError(
                        f"{self.place(n)}: {column} is {quoted(texts[n])}, which is not a number; "
                        "if it means that there is no value, add it to missing = [...]") from None
            raise

    def _refuse(self, message: str) -> NoReturn:
        raise ValueError(f"{self.name}: {message}")


class TextColumns(Columns):
    """Columns of a text file with separated cells, read column by column when they are asked for.
    """

    def __init__(self, path: Path, layout: Layout, wanted: "Wanted",
                 names: Sequence[str] | None = None, skipped: Sequence[str] = ("#", "*")):
        """wanted: the columns that the heading must have.

        names: of the columns of a file without heading, with None for the heading.
        """
        text = text_of(path)
        super().__init__(Path(path).name, {})
        self.layout = layout
        self.lines: list[tuple[int, str]] = [
            (n, line) for n, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.lstrip().startswith(tuple(skipped))]
        self.names = list(names) if names else self._heading(wanted)
        found = wanted.found(self.names)
        if found is None:
            raise ValueError(f"{self.name} has no columns {wanted.text()}; its columns are "
                             f"{some(self.names)}")
        self._skip([self.names.index(column) for column in found])
        self._kept: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, n: int) -> str:
        """Return "file:line" of row n, from 0."""
        return f"{self.name}:{self.lines[n][0]}"

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column as text."""
        self._known(column)
        if column not in self._kept:
            n, count = self.names.index(column), len(self.names)
            out = []
            for (number, _), row in zip(self.lines, self._rows(self.lines), strict=True):
                if len(row) != count:
                    raise ValueError(f"{self.name}:{number}: {len(row)} values under {count} "
                                     "columns")
                out.append(row[n].strip())
            self._kept[column] = out
        return self._kept[column]

    def _rows(self, lines):
        """Yield the cells of lines."""
        if self.layout.separator == SPACE:
            yield from (line.split() for _, line in lines)
            return
        reader = csv.reader((line for _, line in lines), delimiter=self.layout.separator)
        try:
            yield from reader
        except csv.Error as error:
            raise ValueError(f"{self.name}: cannot be read: {error}") from None

    def _heading(self, wanted):
        """Return the names of the columns, and leave the lines under them."""
        for n, (_, row) in enumerate(zip(self.lines[:HEAD], self._single(), strict=False)):
            names = [cell.strip().strip('"') for cell in row]
            if wanted.found(names) is not None:
                for column in names:
                    if column and names.count(column) > 1:
                        raise ValueError(f"{self.name}:{self.lines[n][0]}: column "
                                         f"{quoted(column)} appears twice")
                self.lines = self.lines[n + 1:]
                return names
        self._no_heading(wanted)

    def _single(self):
        """Yield the cells of the first lines, each read by itself: quotes may be left open."""
        for line in self.lines[:HEAD]:
            try:
                yield next(iter(self._rows([line])), [])
            except ValueError:
                yield []

    def _no_heading(self, wanted):
        """Refuse a file without a line that holds the wanted columns; say what may help."""
        own, hint = self.layout, ""
        for sign in (",", ";", "\t"):
            self.layout = Layout(sign, own.decimal)
            if sign != own.separator and any(
                    wanted.found([cell.strip() for cell in row]) for row in self._single()):
                hint = (f"; the cells seem to be separated by {SIGNS[sign]}: "
                        + {",": "leave out dialect and separator", ";": 'dialect = "excel-de" '
                           '(semicolons and decimal commas) or separator = ";"',
                           "\t": 'separator = "tab"'}[sign])
        first = self.lines[0][1].strip() if self.lines else ""
        hint = hint or f"; it begins with {quoted(first)}; name them in the case"
        self._refuse(f"no line names the columns {wanted.text()}{hint}")

    def _skip(self, places):
        """Drop lines under the heading that have no numbers in these columns."""
        for n, row in enumerate(self._single()):
            if n == UNDER or any(self._is_number(row[place].strip()) for place in places
                                 if place < len(row)):
                self.lines = self.lines[n % UNDER:]     # of too many, the first is told later
                return
        self._refuse("holds no rows with numbers under its heading")

    def _is_number(self, text: str) -> bool:
        """Return True for a text that is a number."""
        try:
            float(self._number(text))
        except ValueError:
            return False
        return True

    def _number(self, text: str) -> str:
        """Return a text as Python writes numbers, by the file's decimal sign."""
        text = text.replace("_", "?")
        if self.layout.decimal == ".":
            return text
        return text.replace(".", "?").replace(self.layout.decimal, ".")


@dataclass(frozen=True)
class Wanted:
    """Columns that a heading must have: for each the names that it may go by.

    together: the n-th names of all columns belong together (x, y, z, or centroid_x, ...): `y` alone
    may be yttrium, and `dy` dysprosium.
    """

    options: Sequence[Sequence[str]]
    together: bool = False

    def found(self, names: Sequence[str]) -> list[str] | None:
        """Return the columns among names, None where one is missing."""
        tries = zip(*self.options, strict=True) if self.together else [self.options]
        for one in tries:
            columns = [match(names, (option,) if isinstance(option, str) else option)
                       for option in one]
            if None not in columns and len(set(columns)) == len(columns):
                return [column for column in columns if column is not None]
        return None

    def text(self) -> str:
        """Return the names in words."""
        return ", ".join("/".join(dict.fromkeys(options[:3])) for options in self.options)


def match(names: Sequence[str], options: Sequence[str]) -> str | None:
    """Return the first of the options that is a column; None without any.

    Upper and lower case, blanks and signs between words make no difference.
    """
    for option in options:
        if option in names:
            return option
        same = [name for name in names if _plain(name) == _plain(option)]
        if len(same) == 1:
            return same[0]
    return None


def _plain(name):
    """Return a name in lower case, without blanks and signs between words."""
    return BETWEEN.sub("", name.lower())


def text_of(path: Path) -> str:
    """Return the text of a file of the case; ValueError with a message for the user."""
    name = Path(path).name
    try:
        return read_text(path, LARGEST)
    except FileNotFoundError:
        raise ValueError(f"there is no file {quoted(name)} in {Path(path).parent}") from None
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) else str(e)
        line = f" line {e.line}:" if isinstance(e, NotUTF8) else ""
        raise ValueError(f"cannot read {name}:{line} {reason}") from None
