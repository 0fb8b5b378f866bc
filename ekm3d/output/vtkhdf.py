"""Snapshots of the voxel block: one temporal VTKHDF file that ParaView opens with its times.

    /VTKHDF                           ImageData; WholeExtent counts points, so 0..nx for nx voxels
    /VTKHDF/CellData/<name>           (rows, nz, ny, nx[, 3]); vectors in the order x, y, z
    /VTKHDF/Steps                     attribute NSteps; Values: times [s]
    /VTKHDF/Steps/CellDataOffsets     row of <name> that belongs to each step

A constant field has one row that every step points to. The fields of a snapshot are written
before its time and NSteps, so an incomplete snapshot is invisible and the next one is written
over it. Times and NSteps change together: with more times than steps, VTK 9.7 writes past its own
memory. The file is closed between snapshots, so that it can be read while the run goes on.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ekm3d.diagnostics.output_field import OutputField
from ekm3d.errors import OutputError
from ekm3d.grid.grid import Grid
from ekm3d.hdf5_file import opened

VERSION = (2, 0)            # the first VTKHDF version with time: the widest set of readers
CHUNK = (32, 64, 64)        # voxels along z, y, x that are compressed together

Slabs = Callable[[np.ndarray], Iterable[tuple[int, np.ndarray]]]    # array -> (first layer, layers)


def single_slab(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the whole array as one slab."""
    yield 0, array


class Snapshots:
    """Writer of the block at chosen times to one file.

    fields: the OutputFields of `append`, stored in their precision. static: {OutputField: array}
    stored once, as float32, integers as int32, masks as bytes. Arrays have the shape grid.shape,
    vectors grid.shape + (3,). The file appears under its name only when it is complete.

    slabs: gathers the layers of the whole grid on this rank where arrays cover a part of it; it
    yields (first layer, layers) of an array from below upwards. communicates: True if `append`
    exchanges messages between ranks, and therefore belongs into the main thread. rows: number of
    the snapshots in the file.
    """

    def __init__(self, path: str | Path, grid: Grid, static: Mapping[OutputField, np.ndarray],
                 fields: Sequence[OutputField], slabs: Slabs = single_slab,
                 local_grid: Grid | None = None, kept: int | None = None) -> None:
        """Create the file without snapshots; local_grid: of the arrays, by default `grid`.

        kept: go on with the file that is there, after so many of its snapshots; the others are
        removed. ValueError for arrays of a wrong shape or names that readers cannot tell apart,
        OutputError for a file that cannot be gone on with.
        """
        self.path, self.grid, self.slabs = Path(path), grid, slabs
        self.local_grid = local_grid or grid
        self.communicates = slabs is not single_slab
        self.fields = {field.name: field for field in fields}
        check_names([field.name for field in (*static, *fields)])
        self.rows = kept or 0
        if kept is not None:
            self._cut(kept)
            return
        draft = self.path.with_name(f".{self.path.name}.{self._process_id()}")
        try:
            with self._opened(draft, "w") as file:
                create_image(file, grid)
                for field, array in static.items():
                    array = with_shape(field, as_stored(array), self.local_grid)
                    self._write(_create_dataset(file, grid, field, array.dtype, rows=1), 0, array)
                for field in fields:
                    _create_dataset(file, grid, field, np.dtype(field.precision), rows=0)
            self._rename(draft)
        finally:
            draft.unlink(missing_ok=True)

    def _cut(self, kept: int) -> None:
        """Leave the first snapshots of the file and remove those after them."""
        try:
            with self._opened(self.path) as file:
                cells, steps = file["VTKHDF/CellData"], file["VTKHDF/Steps"]
                rows, names = int(steps.attrs["NSteps"]), {*self.fields} - {*cells}
                shape = self.grid.shape
                wrong = [name for name in self.fields if name in cells and (
                    cells[name].shape[1:4] != shape or cells[name].is_virtual)]
                if rows < kept or names or wrong:
                    raise OutputError(f"{self.path} is not the file that the run has written: "
                                      f"{rows} snapshots instead of {kept}, or other fields")
                for name in self.fields:
                    cells[name].resize(kept, axis=0)
                for offsets in steps["CellDataOffsets"].values():
                    offsets.resize((kept,))
                steps["Values"].resize((kept,))
                steps.attrs["NSteps"] = np.int64(kept)
        except (OSError, KeyError, RuntimeError) as error:
            raise OutputError(f"{self.path} cannot be gone on with: {error}") from error

    def append(self, time: float, arrays: Mapping[str, np.ndarray]) -> None:
        """Add the block at `time` [s]; arrays: {name: array}, one for every declared field.

        ValueError, before the file is changed, for other fields or shapes; OSError where it cannot
        be written.
        """
        arrays = declared_arrays(self.path.name, self.fields, arrays, self.local_grid)
        with self._opened(self.path) as file:
            cells, steps = file["VTKHDF/CellData"], file["VTKHDF/Steps"]
            n = int(steps.attrs["NSteps"])
            for name, array in arrays.items():
                cells[name].resize(n + 1, axis=0)
                self._write(cells[name], n, array)
            for name, offsets in steps["CellDataOffsets"].items():
                offsets.resize((n + 1,))
                offsets[n] = n if name in arrays else 0
            file.flush()
            steps["Values"].resize((n + 1,))
            steps["Values"][n] = time
            steps.attrs["NSteps"] = np.int64(n + 1)
        self.rows = n + 1

    def move(self, path: Path) -> None:
        """Go on with the file at another path, where its directory has been moved to."""
        self.path = path

    def publish(self) -> None:
        """Make appended snapshots visible to readers; here `append` has done so already."""

    def _process_id(self) -> int:
        """Return the id of the writing process, unique in the name of its draft."""
        return os.getpid()

    def _opened(self, path: Path, mode: str = "r+") -> AbstractContextManager[h5py.File]:
        """Open the file for writing; readers cannot stop the run."""
        return opened(path, mode)

    def _write(self, data: h5py.Dataset, row: int, array: np.ndarray) -> None:
        """Write the array into a row of its dataset."""
        for k, slab in self.slabs(array):
            data[row, k:k + len(slab)] = slab

    def _rename(self, draft: Path) -> None:
        """Give the complete file its name."""
        os.replace(draft, self.path)


def declared_arrays(file_name: str, fields: Mapping[str, OutputField],
                    arrays: Mapping[str, Any], grid: Grid) -> dict[str, np.ndarray]:
    """Return {name: array of the field's precision} in the order of `fields`.

    ValueError where `arrays` has other names or shapes.
    """
    given, declared = set(arrays), set(fields)
    if given != declared:
        raise ValueError(f"{file_name}: a snapshot without {sorted(declared - given)} and "
                         f"with the undeclared {sorted(given - declared)}")
    return {name: with_shape(field, np.asarray(arrays[name], field.precision), grid)
            for name, field in fields.items()}


def create_image(file: h5py.File, grid: Grid) -> None:
    """Create an ImageData with the geometry of the grid and without steps."""
    nx, ny, nz = grid.cells
    root = file.create_group("VTKHDF")
    root.attrs["Version"] = np.array(VERSION, "i8")
    kind = b"ImageData"
    root.attrs.create("Type", kind, dtype=h5py.string_dtype("ascii", len(kind)))
    root.attrs["WholeExtent"] = np.array([0, nx, 0, ny, 0, nz], "i4")
    root.attrs["Origin"] = np.array(grid.origin, "f8")
    root.attrs["Spacing"] = np.array(grid.spacing, "f8")
    root.attrs["Direction"] = np.eye(3).ravel()
    root.create_group("CellData")
    root.create_group("PointData")
    steps = root.create_group("Steps")
    steps.attrs["NSteps"] = np.int64(0)
    values = steps.create_dataset("Values", (0,), "f8", maxshape=(None,), chunks=(1024,))
    values.attrs["units"] = "s"
    steps.create_group("CellDataOffsets")
    steps.create_group("PointDataOffsets")


def _create_dataset(file: h5py.File, grid: Grid, field: OutputField, dtype: np.dtype,
                    rows: int) -> h5py.Dataset:
    """Create the compressed dataset of a field and its offsets."""
    vector = (3,) if field.components == 3 else ()
    chunk = tuple(min(a, b) for a, b in zip(CHUNK, grid.shape, strict=True))
    data = file["VTKHDF/CellData"].create_dataset(
        field.name, (rows, *grid.shape, *vector), dtype, maxshape=(None, *grid.shape, *vector),
        chunks=(1, *chunk, *vector), compression="gzip", compression_opts=1, shuffle=True)
    describe(data, field)
    file["VTKHDF/Steps/CellDataOffsets"].create_dataset(
        field.name, (0,), "i8", maxshape=(None,), chunks=(1024,))
    return data


def compressed_bytes(array: np.ndarray, precision: str = "float32") -> int:
    """Return the bytes of a field (nz, ny, nx) or (nz, ny, nx, 3) as a file would hold it."""
    chunk = tuple(min(a, b) for a, b in zip(CHUNK, array.shape, strict=False))
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("x", data=np.asarray(array, precision), chunks=(
            *chunk, *array.shape[3:]), compression="gzip", compression_opts=1, shuffle=True)
        return int(data.id.get_storage_size())


def describe(data: h5py.Dataset, field: OutputField) -> None:
    """Store unit and meaning of a field as attributes of its dataset."""
    data.attrs["units"] = field.unit
    data.attrs["long_name"] = field.meaning


def as_stored(array: Any) -> np.ndarray:
    """Return the array in the type of the file; masks as bytes, for VTK reads no booleans."""
    array = np.asarray(array)
    if array.dtype.kind == "b":
        return array.astype("u1")
    if array.dtype.kind in "iu":
        return array if array.dtype == np.uint8 else array.astype("i4")
    return array.astype("f4")


def with_shape(field: OutputField, array: Any, grid: Grid) -> np.ndarray:
    """Return the array; ValueError if its shape is not that of the field on the grid."""
    array = np.asarray(array)
    if array.shape != field.shape(grid):
        raise ValueError(f"field {field.name!r} has shape {array.shape}, "
                         f"it should be {field.shape(grid)}")
    return array


def check_names(names: list[str]) -> None:
    """ValueError for a name with a slash, which is a path in VTK and HDF5, or given twice."""
    for name in names:
        if "/" in name or name in ("", "."):
            raise ValueError(f"field name {name!r}: a name without '/' is needed")
        if names.count(name) > 1:
            raise ValueError(f"field name {name!r} is declared twice")
