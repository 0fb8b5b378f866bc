"""Results of a run, read back from its directory: fields, time series, summary.

    results = open_results("cases/field_block/out")
    results.summary["recovery_REE"]
    results.series["time"], results.units["time"]
    results.field("pH", -1)                     # (nz, ny, nx) at the last snapshot
"""

import csv
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ekm3d.errors import OutputError
from ekm3d.grid.georeference import GeoReference
from ekm3d.grid.grid import Grid
from ekm3d.hdf5_file import opened
from ekm3d.output.real_space import reference_of

FIELDS_FILE, SERIES_FILE = "fields.vtkhdf", "series.csv"
SUMMARY_FILE, STATUS_FILE = "summary.json", "status.json"


class ResultsError(OutputError):
    """The directory holds no results, or not the field, snapshot or file asked for."""


def open_results(directory: str | Path) -> "Results":
    """Return the Results in a directory, also of a run that is still going on.

    ResultsError if it holds no fields.vtkhdf.
    """
    directory = Path(directory)
    if not (directory / FIELDS_FILE).is_file():
        inner = directory / "out"
        hint = f"; did you mean {inner}?" if (inner / FIELDS_FILE).is_file() else (
            ": run `ekm3d run CASE` first, or name the directory that its --out gave"
            if directory.is_dir() else ": no such directory")
        raise ResultsError(f"{directory} holds no {FIELDS_FILE}{hint}")
    return Results(directory)


class Results:
    """The results of one run; every attribute is read from its file on access.

    ResultsError where a file or an entry does not exist.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def __repr__(self) -> str:
        return f"Results({str(self.directory)!r}, {len(self.times)} snapshots)"

    def _repr_html_(self) -> str:
        """Table for a notebook: state, snapshots, and the summary where the run has come to it."""
        from html import escape  # imported here: it costs 5 ms, and only notebooks need it

        with suppress(ResultsError):
            facts = {"state": self.status.get("state", "")} | self.summary
            rows = "".join(f"<tr><th style='text-align:left'>{escape(key)}</th>"
                           f"<td>{escape(_short(value))}</td></tr>" for key, value in facts.items())
            return f"<p><b>{escape(str(self.directory))}</b></p><table>{rows}</table>"
        return f"<p>{escape(repr(self))}</p>"

    @property
    def status(self) -> dict[str, Any]:
        """Contents of status.json: state ("running", "done", "failed"), time_s, step, ..."""
        return self._json(STATUS_FILE)

    @property
    def summary(self) -> dict[str, Any]:
        """Contents of summary.json, written at the end of a run; keys with unit suffixes."""
        return self._json(SUMMARY_FILE)

    @property
    def series(self) -> dict[str, np.ndarray]:
        """{column: values (times,)} of series.csv; NaN where a cell is empty."""
        return {name: values for name, _, values in self._columns()}

    @property
    def units(self) -> dict[str, str]:
        """{column: unit} of series.csv."""
        return {name: unit for name, unit, _ in self._columns()}

    @property
    def frame(self) -> Any:
        """The series as a pandas.DataFrame over the time [h]; units in its `attrs["units"]`."""
        import pandas  # of the extra `notebook`
        table = pandas.DataFrame(self.series).set_index("time")
        table.attrs["units"] = self.units
        return table

    @property
    def dataset(self) -> Any:
        """The snapshots as a lazy xarray.Dataset (`output.xarray_backend`)."""
        import xarray  # of the extra `notebook`
        return xarray.open_dataset(self.directory / FIELDS_FILE, engine="ekm3d")

    @property
    def times(self) -> np.ndarray:
        """Times of the snapshots (n,) [s]."""
        with self._file() as file:
            steps = file["VTKHDF/Steps"]
            return steps["Values"][:int(steps.attrs["NSteps"])]

    @property
    def fields(self) -> dict[str, str]:
        """{name: unit} of every field in the snapshots."""
        with self._file() as file:
            return {name: data.attrs["units"] for name, data in file["VTKHDF/CellData"].items()}

    @property
    def grid(self) -> Grid:
        """Voxel grid of the snapshots, in the coordinates of the case."""
        with self._file() as file:
            image = file["VTKHDF"].attrs
            return Grid(tuple(int(n) for n in image["WholeExtent"][1::2]),
                        tuple(float(d) for d in image["Spacing"]),
                        reference_of(file["VTKHDF"]).origin)

    @property
    def reference(self) -> GeoReference:
        """Place of the grid in real space; its `to_real` and `to_local` convert points."""
        with self._file() as file:
            return reference_of(file["VTKHDF"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Program, case, machine and times of the run; {} where the file does not say.

        "case.toml": the text of the case; "facts": plain data of it, where the run has noted them.
        """
        with self._file() as file:
            if "provenance" not in file:
                return {}
            group = file["provenance"]
            out = {name: value.item() if isinstance(value, np.generic) else value
                   for name, value in group.attrs.items()}
            texts = {name: group[name].asstr()[()] for name in group}
        for name in ("command", "overrides", "case_files_sha256", "packages"):
            if name in out:
                out[name] = json.loads(out[name])
        facts = texts.pop("facts.json", None)
        return out | texts | ({"facts": json.loads(facts)} if facts else {})

    def field(self, name: str, time_index: int = -1) -> np.ndarray:
        """Return a field at one snapshot, by default the last.

        (nz, ny, nx), or (nz, ny, nx, 3) for vectors in the order x, y, z. ResultsError for an
        unknown name or snapshot.
        """
        with self._file() as file:
            cells, steps = file["VTKHDF/CellData"], file["VTKHDF/Steps"]
            if name not in cells:
                raise ResultsError(f"{self.directory}: no field {name!r}; {_nearest(name, cells)}")
            count = int(steps.attrs["NSteps"])
            if not -count <= time_index < count:
                raise ResultsError(f"{self.directory}: no snapshot {time_index}; there are {count}")
            row = steps["CellDataOffsets"][name][time_index % count]
            return cells[name][row]

    @contextmanager
    def _file(self) -> Iterator[h5py.File]:
        """Open the fields; ResultsError where they cannot be read."""
        try:
            with opened(self.directory / FIELDS_FILE) as file:
                yield file
        except OSError as error:
            raise ResultsError(f"{self.directory / FIELDS_FILE} cannot be read: {error}"
                               ) from error

    def plot(self, *columns: str, axes: Any = None) -> Any:
        """Draw columns of the series over time with pandas and matplotlib; return the axes.

        ResultsError for an unknown column or columns of different units.
        """
        table, units = self.frame, self.units
        for name in columns:
            if name not in table:
                raise ResultsError(
                    f"{self.directory}: no column {name!r}; {_nearest(name, table)}")
        if len({units[name] for name in columns}) > 1:
            raise ResultsError(f"{', '.join(columns)} have different units; draw them apart")
        return table[[*columns]].plot(ax=axes, xlabel=f"time ({units['time']})",
                                      ylabel=units[columns[0]] if columns else "")

    def _json(self, name: str) -> dict[str, Any]:
        path = self.directory / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ResultsError(f"{path} does not exist: the run has not come that far") from None
        except json.JSONDecodeError as error:
            raise ResultsError(f"{path} is not JSON: {error}") from None

    def _columns(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Yield (name, unit, values) of every column; an incomplete last line is left out."""
        path = self.directory / SERIES_FILE
        try:
            with path.open(newline="", encoding="utf-8") as file:
                header, *rows = csv.reader(file)
        except (FileNotFoundError, ValueError):
            raise ResultsError(f"{path} does not exist or is empty: the run has not come that far"
                               ) from None
        rows = [row for row in rows if len(row) == len(header)]
        for n, head in enumerate(header):
            match = re.fullmatch(r"(.*?)(?:\s*\[([^\[\]]*)\])?", head.strip())
            name, unit = match.groups() if match else (head, "")
            try:
                values = np.array([float(row[n]) if row[n].strip() else np.nan for row in rows])
            except ValueError as error:
                raise ResultsError(f"{path}: column {name!r}: {error}") from None
            yield name, unit or "", values


def _nearest(name, known):
    """Return in words which of the known names may be meant, else all of them."""
    import difflib  # imported here: it costs 5 ms, and only mistakes need it

    close = difflib.get_close_matches(name, [*known], 1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"


def _short(value: Any) -> str:
    """Return a value of the summary as text, "-" for an unknown one."""
    return "-" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
