"""Reading a result directory back: fields, time series, summary.

    results = open_results("cases/field_block/out")
    results.summary["recovery_REE"]
    results.series["time"], results.units["time"]
    results.field("pH", -1)                     # (nz, ny, nx) at the last snapshot
"""

import csv
import difflib
import json
import re
from pathlib import Path

import h5py
import numpy as np

from ekm3d.errors import OutputError
from ekm3d.grid.grid import Grid

FIELDS_FILE, SERIES_FILE = "fields.vtkhdf", "series.csv"
SUMMARY_FILE, STATUS_FILE = "summary.json", "status.json"


class ResultsError(OutputError):
    """The directory holds no result, or not the one that was asked for."""


def open_results(directory):
    """The Results in a directory; a run that is still going on may be opened too."""
    directory = Path(directory)
    if not (directory / FIELDS_FILE).is_file():
        inner = directory / "out"
        hint = f"; did you mean {inner}?" if (inner / FIELDS_FILE).is_file() else (
            ": run `ekm3d run CASE` first" if directory.is_dir() else ": no such directory")
        raise ResultsError(f"{directory} holds no {FIELDS_FILE}{hint}")
    return Results(directory)


class Results:
    """One run's results, read when asked for."""

    def __init__(self, directory):
        self.directory = Path(directory)

    def __repr__(self):
        return f"Results({str(self.directory)!r}, {len(self.times)} snapshots)"

    @property
    def status(self):
        """How far the run got: the contents of status.json."""
        return self._json(STATUS_FILE)

    @property
    def summary(self):
        """The run's numbers, keys with unit suffixes; written when a run ends."""
        return self._json(SUMMARY_FILE)

    @property
    def series(self):
        """{column: values over time} of series.csv; NaN where a cell is empty."""
        return {name: values for name, _, values in self._columns()}

    @property
    def units(self):
        """{column: unit} of series.csv."""
        return {name: unit for name, unit, _ in self._columns()}

    @property
    def times(self):
        """Times of the snapshots [s]."""
        with self._file() as file:
            steps = file["VTKHDF/Steps"]
            return steps["Values"][:int(steps.attrs["NSteps"])]

    @property
    def fields(self):
        """{name: unit} of every field in the snapshots."""
        with self._file() as file:
            return {name: data.attrs["units"] for name, data in file["VTKHDF/CellData"].items()}

    @property
    def grid(self):
        """The voxel grid of the snapshots."""
        with self._file() as file:
            image = file["VTKHDF"].attrs
            return Grid(tuple(int(n) for n in image["WholeExtent"][1::2]),
                        tuple(float(d) for d in image["Spacing"]),
                        tuple(float(x) for x in image["Origin"]))

    def field(self, name, time_index=-1):
        """A field at one snapshot: (nz, ny, nx), vectors (nz, ny, nx, 3) in the order x, y, z."""
        with self._file() as file:
            cells, steps = file["VTKHDF/CellData"], file["VTKHDF/Steps"]
            if name not in cells:
                close = difflib.get_close_matches(name, cells, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(cells)}"
                raise ResultsError(f"{self.directory}: no field {name!r}; {hint}")
            count = int(steps.attrs["NSteps"])
            if not -count <= time_index < count:
                raise ResultsError(f"{self.directory}: no snapshot {time_index}; there are {count}")
            row = steps["CellDataOffsets"][name][time_index % count]
            return cells[name][row]

    def _file(self):
        return h5py.File(self.directory / FIELDS_FILE, "r", locking=False)

    def _json(self, name):
        path = self.directory / name
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            raise ResultsError(f"{path} does not exist: the run has not come that far") from None
        except json.JSONDecodeError as error:
            raise ResultsError(f"{path} is not JSON: {error}") from None

    def _columns(self):
        """(name, unit, values) of every column; a last line cut short is left out."""
        path = self.directory / SERIES_FILE
        try:
            with path.open(newline="") as file:
                header, *rows = csv.reader(file)
        except (FileNotFoundError, ValueError):
            raise ResultsError(f"{path} does not exist or is empty: the run has not come that far"
                               ) from None
        rows = [row for row in rows if len(row) == len(header)]
        for n, head in enumerate(header):
            name, unit = re.fullmatch(r"(.*?)(?:\s*\[(.*)\])?", head.strip()).groups()
            try:
                values = np.array([float(row[n]) if row[n].strip() else np.nan for row in rows])
            except ValueError as error:
                raise ResultsError(f"{path}: column {name!r}: {error}") from None
            yield name, unit or "", values
