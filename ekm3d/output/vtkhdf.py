"""Snapshots of the voxel block: one temporal VTKHDF file that ParaView opens with its times.

    /VTKHDF                           ImageData; WholeExtent counts points, so 0..nx for nx voxels
    /VTKHDF/CellData/<name>           (rows, nz, ny, nx[, 3]); vectors in the order x, y, z
    /VTKHDF/Steps                     attribute NSteps; Values: times [s]
    /VTKHDF/Steps/CellDataOffsets     which row of <name> belongs to each step

A field that does not change has one row that every step points to. A snapshot's fields reach the
disk before its time and NSteps do, so one that was cut short is invisible and the next is
written over it. Times and NSteps go together: with more times than steps, VTK 9.7 writes past
its own memory. The file is closed between snapshots: it can be read while the run goes on.
"""

import os
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

VERSION = (2, 0)            # the first VTKHDF version with time: the widest set of readers
CHUNK = (32, 64, 64)        # voxels along z, y, x that are compressed together


def at_once(array):
    """The whole array as the one slab there is."""
    yield 0, array


class Snapshots:
    """The file that receives the block at chosen times.

    fields: the VoxelFields of `append`, stored as float32. static: {OutputField: array} stored
    once, as float32, integers as int32, masks as bytes. Arrays have grid.shape, vectors
    grid.shape + (3,). The file appears under its name only when it is complete.

    slabs: brings the layers of the whole grid here, where `arrays` are those of a part of it; for
    every array it yields (first layer, layers), the layers from below upwards. sends: whether that
    takes messages between processes.
    """

    def __init__(self, path, grid, static, fields, slabs=at_once, part=None):
        """part: the Grid of the arrays; that of the file where it is not given."""
        self.path, self.grid, self.slabs, self.part = Path(path), grid, slabs, part or grid
        self.sends = slabs is not at_once
        self.fields = {field.name: field for field in fields}
        declared = [*static, *fields]
        check_names([field.name for field in declared])
        draft = self.path.with_name(f".{self.path.name}.{self._number()}")
        try:
            with self._opened(draft, "w") as file:
                image(file, grid)
                for field, array in static.items():
                    array = shaped(field, as_stored(array), self.part)
                    self._put(_dataset(file, grid, field, array.dtype, rows=1), 0, array)
                for field in fields:
                    _dataset(file, grid, field, np.dtype("f4"), rows=0)
            self._show(draft)
        finally:
            draft.unlink(missing_ok=True)

    def append(self, time, arrays):
        """Add the block at `time` [s]; arrays: {name: array}, one for every declared field."""
        arrays = complete(self.path.name, self.fields, arrays, self.part)
        with self._opened(self.path) as file:
            cells, steps = file["VTKHDF/CellData"], file["VTKHDF/Steps"]
            n = int(steps.attrs["NSteps"])
            for name, array in arrays.items():
                cells[name].resize(n + 1, axis=0)
                self._put(cells[name], n, array)
            for name, offsets in steps["CellDataOffsets"].items():
                offsets.resize((n + 1,))
                offsets[n] = n if name in arrays else 0
            file.flush()
            steps["Values"].resize((n + 1,))
            steps["Values"][n] = time
            steps.attrs["NSteps"] = np.int64(n + 1)

    def settle(self):
        """What is written is shown: there is nothing to wait for."""

    def _number(self):
        """Of the process that writes: no other names its draft so."""
        return os.getpid()

    def _opened(self, path, mode="r+"):
        """The file, open for writing."""
        return opened(path, mode)

    def _put(self, data, row, array):
        """Write the array into a row of its dataset."""
        for k, slab in self.slabs(array):
            data[row, k:k + len(slab)] = slab

    def _show(self, draft):
        """Give the complete file its name."""
        os.replace(draft, self.path)


def complete(file, fields, arrays, grid):
    """{name: array} in the order of `fields` and as they are stored; ValueError if not just those.

    fields: {name: OutputField} of a file's snapshots.
    """
    given, wanted = set(arrays), set(fields)
    if given != wanted:
        raise ValueError(f"{file}: a snapshot without {sorted(wanted - given)} and "
                         f"with the undeclared {sorted(given - wanted)}")
    return {name: shaped(field, np.asarray(arrays[name], "f4"), grid)
            for name, field in fields.items()}


@contextmanager
def opened(path, mode="r+"):
    """The file open for writing, without HDF5's lock: whoever looks on must not stop the run."""
    with h5py.File(path, mode, locking=False) as file:
        yield file


def image(file, grid):
    """The empty image: geometry and no steps."""
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


def _dataset(file, grid, field, dtype, rows):
    """The compressed dataset of a field, with its offsets."""
    vector = (3,) if field.components == 3 else ()
    chunk = tuple(min(a, b) for a, b in zip(CHUNK, grid.shape))
    data = file["VTKHDF/CellData"].create_dataset(
        field.name, (rows, *grid.shape, *vector), dtype, maxshape=(None, *grid.shape, *vector),
        chunks=(1, *chunk, *vector), compression="gzip", compression_opts=1, shuffle=True)
    describe(data, field)
    file["VTKHDF/Steps/CellDataOffsets"].create_dataset(
        field.name, (0,), "i8", maxshape=(None,), chunks=(1024,))
    return data


def describe(data, field):
    """Unit and meaning beside the values."""
    data.attrs["units"] = field.unit
    data.attrs["long_name"] = field.meaning


def as_stored(array):
    """The array in the type of the file; VTK cannot read HDF5's booleans."""
    array = np.asarray(array)
    if array.dtype.kind == "b":
        return array.astype("u1")
    if array.dtype.kind in "iu":
        return array if array.dtype == np.uint8 else array.astype("i4")
    return array.astype("f4")


def shaped(field, array, grid):
    """The array if it has the field's shape; else ValueError."""
    array = np.asarray(array)
    if array.shape != field.shape(grid):
        raise ValueError(f"field {field.name!r} has shape {array.shape}, "
                         f"it should be {field.shape(grid)}")
    return array


def check_names(names):
    """VTK and HDF5 read a slash as a path, and two fields cannot share a name."""
    for name in names:
        if "/" in name or name in ("", "."):
            raise ValueError(f"field name {name!r}: a name without '/' is needed")
        if names.count(name) > 1:
            raise ValueError(f"field name {name!r} is declared twice")
