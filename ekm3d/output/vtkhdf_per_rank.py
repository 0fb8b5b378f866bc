"""Snapshots of a block that many processes hold: by one file, or by one file of each.

    fields.vtkhdf                       the whole block, written together (`collective`), or, where
                                        HDF5 cannot, from slabs that the others send, or:
    fields.vtkhdf                       the same face without data: HDF5 virtual datasets of
    fields/z0000_y0000_x0032.vtkhdf     the boxes' own files, named by their first voxel

The virtual datasets name their sources relatively: move the directory as a whole. ParaView and
h5py read both kinds alike. A master of more rows than before takes the place of the old one when
all boxes have been written: whoever reads sees every snapshot whole.
"""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np

from ekm3d.output.vtkhdf import Snapshots, as_stored, check_names, complete, describe, image, shaped
from ekm3d.output.vtkhdf_collective import PARALLEL, Collective


def snapshots(path, domain, static, fields, mode="gathered", parallel=PARALLEL):
    """What receives the snapshots of a run: the face of `Snapshots`, in every process.

    mode: "gathered" or "per-rank"; static, fields: as Snapshots has them, of this process's box;
    parallel: whether many processes may write one file together.
    """
    if mode == "per-rank":
        return PerRankFiles(path, domain, static, fields)
    if len(domain.boxes) == 1:
        return Snapshots(path, domain.grid, static, fields)
    if parallel:
        return Collective(path, domain, static, fields)
    if not domain.is_root:
        return Sender(path, domain, static, fields)
    return Snapshots(path, domain.whole, static, fields, domain.slabs, domain.grid)


class Sender:
    """What a process gives that does not write itself."""

    sends = True

    def __init__(self, path, domain, static, fields):
        self.path, self.domain = Path(path), domain
        self.fields = {field.name: field for field in fields}
        for field, array in static.items():
            self._send(shaped(field, as_stored(array), domain.grid))

    def append(self, time, arrays):
        """Send the arrays of a snapshot."""
        for array in complete(self.path.name, self.fields, arrays, self.domain.grid).values():
            self._send(array)

    def settle(self):
        """What was sent has been taken: there is nothing to wait for."""

    def _send(self, array):
        for _ in self.domain.slabs(array):
            pass


class PerRankFiles:
    """A file of this process's box, and in the leading process the master of all."""

    sends = False

    def __init__(self, path, domain, static, fields):
        self.path, self.domain, self.times = Path(path), domain, []
        self.folder = self.path.with_suffix("")
        self.static = {field: as_stored(array).dtype for field, array in static.items()}
        self.fields = fields
        check_names([field.name for field in (*static, *fields)])
        if domain.is_root:
            self.path.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        domain.barrier()
        self.own = Snapshots(self.folder / piece(domain.start), domain.grid, static, fields)
        self.shown = -1
        self.settle()

    def append(self, time, arrays):
        """Add this process's box at `time` [s]."""
        self.own.append(time, arrays)
        self.times.append(time)

    def settle(self):
        """Once all boxes are on the disk, let the master show them; by all processes."""
        if self.shown < len(self.times):
            self.domain.barrier()
            self.shown = len(self.times)
            if self.domain.is_root:
                self._master()

    def _master(self):
        """Replace the master by one with as many rows as there are times."""
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        rows = len(self.times)
        try:
            with h5py.File(draft, "w") as file:
                image(file, self.domain.whole)
                for field, dtype in self.static.items():
                    self._virtual(file, field, dtype, 1, [0] * rows)
                for field in self.fields:
                    self._virtual(file, field, np.dtype("f4"), rows, range(rows))
                steps = file["VTKHDF/Steps"]
                steps["Values"].resize((rows,))
                steps["Values"][:] = self.times
                steps.attrs["NSteps"] = np.int64(rows)
                if self.path.exists():
                    with h5py.File(self.path, "r", locking=False) as before:
                        if "provenance" in before:
                            before.copy("provenance", file)
            os.replace(draft, self.path)
        finally:
            draft.unlink(missing_ok=True)

    def _virtual(self, file, field, dtype, rows, offsets):
        """The dataset of a field, put together from the boxes' files."""
        vector = (3,) if field.components == 3 else ()
        layout = h5py.VirtualLayout((rows, *self.domain.whole.shape, *vector), dtype)
        for lower, upper in self.domain.boxes if rows else ():
            cut = tuple(slice(a, b) for a, b in zip(lower, upper))
            shape = tuple(b - a for a, b in zip(lower, upper))
            layout[(slice(None), *cut)] = h5py.VirtualSource(
                f"{self.folder.name}/{piece(lower)}", f"VTKHDF/CellData/{field.name}",
                (rows, *shape, *vector))
        missing = np.nan if dtype.kind == "f" else 0
        data = file["VTKHDF/CellData"].create_virtual_dataset(field.name, layout, missing)
        describe(data, field)
        file["VTKHDF/Steps/CellDataOffsets"].create_dataset(field.name, data=list(offsets),
                                                            dtype="i8")


def piece(start):
    """Name of the file of the box whose first voxel is [k, j, i]."""
    return "z{:04d}_y{:04d}_x{:04d}.vtkhdf".format(*start)
