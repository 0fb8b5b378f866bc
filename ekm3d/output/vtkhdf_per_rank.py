"""Snapshots of a block divided among ranks: one file, or one file of each rank.

    fields.vtkhdf                       the whole block, written together (`vtkhdf_collective`) or,
                                        where HDF5 cannot, from slabs that other ranks send, or:
    fields.vtkhdf                       the same structure without data: HDF5 virtual datasets of
    fields/z0000_y0000_x0032.vtkhdf     the boxes' own files, named by their first voxel

The virtual datasets name their sources relatively: move the directory as a whole. ParaView and
h5py read both kinds alike. The master is replaced by one with another row when all boxes have
been written: readers see complete snapshots only.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from ekm3d.diagnostics.output_field import OutputField
from ekm3d.errors import OutputError
from ekm3d.hdf5_file import opened
from ekm3d.output.real_space import carry
from ekm3d.output.vtkhdf import (
    Snapshots,
    as_stored,
    check_names,
    create_image,
    declared_arrays,
    describe,
    with_shape,
)
from ekm3d.output.vtkhdf_collective import PARALLEL, Collective

Static = Mapping[OutputField, np.ndarray]
Domain = Any                    # of `parallel`; tests pass parts of one


class SnapshotWriter(Protocol):
    """The interface of Snapshots, which every rank of a run has."""

    path: Path
    communicates: bool

    @property
    def rows(self) -> int:
        """Number of snapshots."""

    def append(self, time: float, arrays: Mapping[str, np.ndarray]) -> None:
        """Add the local box at `time` [s]."""

    def move(self, path: Path) -> None:
        """Go on with the file at another path."""

    def publish(self) -> None:
        """Make appended snapshots visible to readers; collective."""


def snapshots(path: str | Path, domain: Domain, static: Static, fields: Sequence[OutputField],
              mode: str = "gathered", parallel: bool = PARALLEL, kept: int | None = None
              ) -> SnapshotWriter:
    """Return the writer of the snapshots of a run, on every rank.

    mode: "gathered" or "per-rank"; static, fields: as for Snapshots, of the local box; parallel:
    True if HDF5 can write one file from several ranks; kept: go on after so many snapshots of an
    earlier process, None: begin anew. Collective: where one rank fails, all do.
    """
    with domain.collective_errors(OutputError) if kept is not None else nullcontext():
        if mode == "per-rank":
            return PerRankFiles(path, domain, static, fields, kept)
        if len(domain.boxes) == 1:
            return Snapshots(path, domain.grid, static, fields, kept=kept)
        if parallel:
            return Collective(path, domain, static, fields, kept)
        if not domain.is_root:
            return Sender(path, domain, static, fields, kept)
        return Snapshots(path, domain.whole, static, fields, domain.slabs, domain.grid, kept)


class Sender:
    """Snapshots of a rank that sends its arrays to rank 0 and writes no file."""

    communicates = True

    def __init__(self, path: str | Path, domain: Domain, static: Static,
                 fields: Sequence[OutputField], kept: int | None = None) -> None:
        self.path, self.domain, self.rows = Path(path), domain, kept or 0
        self.fields = {field.name: field for field in fields}
        for field, array in static.items() if kept is None else ():
            self._send(with_shape(field, as_stored(array), domain.grid))

    def move(self, path: Path) -> None:
        """Take the name of the file, which rank 0 writes."""
        self.path = path

    def append(self, time: float, arrays: Mapping[str, np.ndarray]) -> None:
        """Send the arrays of a snapshot, slab by slab."""
        for array in declared_arrays(self.path.name, self.fields, arrays,
                                     self.domain.grid).values():
            self._send(array)
        self.rows += 1

    def publish(self) -> None:
        """Do nothing: rank 0 has received everything."""

    def _send(self, array: np.ndarray) -> None:
        for _ in self.domain.slabs(array):
            pass


class PerRankFiles:
    """A file of the local box and, on rank 0, the master file of all boxes."""

    communicates = False

    def __init__(self, path: str | Path, domain: Domain, static: Static,
                 fields: Sequence[OutputField], kept: int | None = None) -> None:
        """Create the files without snapshots; those of an earlier run are removed. Collective.

        kept: go on after so many snapshots of the files that are there, of the same boxes.
        """
        self.path, self.domain = Path(path), domain
        self.times: list[float] = []
        self.folder = self.path.with_suffix("")
        self.static = {field: as_stored(array).dtype for field, array in static.items()}
        self.fields = fields
        check_names([field.name for field in (*static, *fields)])
        if kept is not None:
            self._go_on(static, kept)
            return
        if domain.is_root:
            self.path.unlink(missing_ok=True)
            remove_boxes(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
        domain.barrier()
        self.local = Snapshots(self.folder / box_file(domain.start), domain.grid, static, fields)
        self.published = -1             # snapshots in the master; -1: there is no master
        self.publish()

    def _go_on(self, static: Static, kept: int) -> None:
        """Open the files of an earlier process and leave their first snapshots."""
        own = self.folder / box_file(self.domain.start)
        names = {box_file(lower) for lower, _ in self.domain.boxes}
        if names != {path.name for path in self.folder.glob("z*.vtkhdf")}:
            raise OutputError(f"{self.folder} holds files of other boxes: with "
                              "output.mode = \"per-rank\" a run is resumed by as many processes "
                              "as have begun it")
        with self.domain.collective_errors(OutputError):
            self.local = Snapshots(own, self.domain.grid, static, self.fields, kept=kept)
            with opened(own) as file:
                self.times = [float(t) for t in file["VTKHDF/Steps/Values"][:kept]]
        self.published = -1
        self.publish()

    @property
    def rows(self) -> int:
        """Number of snapshots."""
        return len(self.times)

    def move(self, path: Path) -> None:
        """Go on with the files at another path, where their directory has been moved to."""
        self.path, self.folder = path, path.with_suffix("")
        self.local.move(self.folder / self.local.path.name)

    def append(self, time: float, arrays: Mapping[str, np.ndarray]) -> None:
        """Add the local box at `time` [s]."""
        self.local.append(time, arrays)
        self.times.append(time)

    def publish(self) -> None:
        """Update the master once all boxes are on disk; collective."""
        if self.published < len(self.times):
            self.domain.barrier()
            self.published = len(self.times)
            if self.domain.is_root:
                self._write_master()

    def _write_master(self) -> None:
        """Replace the master by one with as many rows as there are times."""
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        rows = len(self.times)
        try:
            with opened(draft, "w") as file:
                create_image(file, self.domain.whole)
                for field, dtype in self.static.items():
                    self._add_virtual(file, field, dtype, 1, [0] * rows)
                for field in self.fields:
                    self._add_virtual(file, field, np.dtype(field.precision), rows, range(rows))
                steps = file["VTKHDF/Steps"]
                steps["Values"].resize((rows,))
                steps["Values"][:] = self.times
                steps.attrs["NSteps"] = np.int64(rows)
                if self.path.exists():
                    with opened(self.path, virtual=False) as before:
                        carry(before, file)
                        if "provenance" in before:
                            before.copy("provenance", file)
            os.replace(draft, self.path)
        finally:
            draft.unlink(missing_ok=True)

    def _add_virtual(self, file: h5py.File, field: OutputField, dtype: np.dtype, rows: int,
                     offsets: Iterable[int]) -> None:
        """Add the virtual dataset of a field, composed of the boxes' files, and its offsets."""
        vector = (3,) if field.components == 3 else ()
        layout = h5py.VirtualLayout((rows, *self.domain.whole.shape, *vector), dtype)
        for lower, upper in self.domain.boxes if rows else ():
            box = tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))
            shape = tuple(b - a for a, b in zip(lower, upper, strict=True))
            layout[(slice(None), *box)] = h5py.VirtualSource(
                f"{self.folder.name}/{box_file(lower)}", f"VTKHDF/CellData/{field.name}",
                (rows, *shape, *vector))
        missing = np.nan if dtype.kind == "f" else 0
        data = file["VTKHDF/CellData"].create_virtual_dataset(field.name, layout, missing)
        describe(data, field)
        file["VTKHDF/Steps/CellDataOffsets"].create_dataset(field.name, data=list(offsets),
                                                            dtype="i8")


def remove_boxes(folder: Path) -> None:
    """Remove the files of boxes from a folder, and the folder if there was nothing else."""
    for path in box_files(folder):
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def box_files(folder: Path) -> list[Path]:
    """Return the files of boxes in a folder, drafts and journals included."""
    return [path for path in folder.glob("*.vtkhdf*")
            if re.fullmatch(r"\.?z\d{4,}_y\d{4,}_x\d{4,}\.vtkhdf(\.\w+)*", path.name)]


def box_file(start: Sequence[int]) -> str:
    """Return the name of the file of the box whose first voxel is [k, j, i]."""
    return "z{:04d}_y{:04d}_x{:04d}.vtkhdf".format(*start)
