"""Snapshots of a run as a lazy xarray.Dataset.

    import xarray as xr
    block = xr.open_dataset("cases/field_block/out/fields.vtkhdf", engine="ekm3d")
    block["pH"].sel(time=132 * 3600, method="nearest").mean(["y", "z"])

Dimensions (time, z, y, x), vectors with `component` behind them; coordinates are the times [s] and
the voxels' centres [m], those of the case; where it names a place in real space, the attributes
tell it. Units stand in the attributes as pint-xarray reads them. A value is
read when it is asked for, and the file is open only as long, so that a run may go on writing it.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from xarray import Dataset, Variable
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from ekm3d.hdf5_file import opened
from ekm3d.output.results import FIELDS_FILE, open_results

AXES = ("z", "y", "x")


class FieldArray(BackendArray):
    """Array (times, nz, ny, nx[, 3]) of a field, or (nz, ny, nx) of one that does not change."""

    def __init__(self, path: Path, name: str, rows: np.ndarray, static: bool) -> None:
        """rows: of the dataset, one for each time."""
        self.path, self.name, self.rows, self.static = path, name, rows, static
        with opened(path) as file:
            data = file["VTKHDF/CellData"][name]
            self.shape = data.shape[1:] if static else (len(rows), *data.shape[1:])
            self.dtype = data.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple) -> np.ndarray:
        """Read what integers and rising slices select."""
        with opened(self.path) as file:
            data = file["VTKHDF/CellData"][self.name]
            if self.static:
                return data[(int(self.rows[0]), *key)]
            first, *rest = key
            rows = self.rows[first]
            if np.ndim(rows) == 0:
                return data[(int(rows), *rest)]
            return np.stack([data[(int(row), *rest)] for row in rows]) if rows.size else (
                np.zeros(self.shape, self.dtype)[key])


def for_pint(unit: str) -> str:
    """Return a unit as pint reads it: m**2 for m2, and mol (of charge) for the equivalent."""
    return re.sub(r"\beq\b", "mol", re.sub(r"\bm([23])\b", r"m**\1", unit))


class FieldsBackend(BackendEntrypoint):
    """Engine "ekm3d" of xarray.open_dataset: a fields.vtkhdf, or the directory that holds one."""

    description = "Open the snapshots of an ekm3d run"
    url = "https://docs.xarray.dev/en/stable/internals/how-to-add-new-backend.html"

    def open_dataset(self, filename_or_obj: Any, *,            # type: ignore[override]
                     drop_variables: str | Iterable[str] | None = None) -> Dataset:
        """Return the Dataset; ResultsError where there is none."""
        path = Path(filename_or_obj)
        results = open_results(path if path.is_dir() else path.parent)
        path = results.directory / (FIELDS_FILE if path.is_dir() else path.name)
        dropped = {drop_variables} if isinstance(drop_variables, str) else {*(drop_variables or ())}
        grid, times = results.grid, results.times
        coordinates = {"time": Variable("time", times, {"units": "s", "long_name": "time"})}
        for n, axis in enumerate("xyz"):
            coordinates[axis] = Variable(axis, grid.centres(2 - n), {"units": "m"})
        variables = {}
        with opened(path) as file:
            cells, steps = file["VTKHDF/CellData"], file["VTKHDF/Steps"]
            about = {name: (data.ndim == 5, data.shape[0] == 1, dict(data.attrs),
                            steps["CellDataOffsets"][name][:len(times)])
                     for name, data in cells.items() if name not in dropped}
            run = {key: value for key, value in file.attrs.items() if isinstance(value, str)}
        if results.reference.given:
            run |= results.reference.facts()
        for name, (vector, one_row, attrs, rows) in about.items():
            static = one_row and len(times) > 1
            array = indexing.LazilyIndexedArray(FieldArray(path, name, rows, static))
            dims = (*(() if static else ("time",)), *AXES, *(("component",) if vector else ()))
            variables[name] = Variable(dims, array, {
                "units": for_pint(attrs.get("units", "")),
                "long_name": attrs.get("long_name", name)})
        if any(vector for vector, *_ in about.values()):
            coordinates["component"] = Variable("component", ["x", "y", "z"])
        return Dataset(variables, coordinates, run)

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return True for a file .vtkhdf."""
        try:
            return os.fspath(filename_or_obj).endswith(".vtkhdf")
        except TypeError:
            return False
