"""One checkpoint: the arrays of a run as it has them, in an HDF5 file that proves to be whole.

    first 512 bytes     "ekm3d checkpoint 1", and the SHA-256 of all that follows
    /facts              JSON text: time, step, the case, numbers that a run adds up
    /voxels/<name>      (..., nz, ny, nx) of the whole block, without ghosts
    /small/<name>       arrays that are the same on all ranks

Every dataset has HDF5's Fletcher checksum, too. The file is written under a temporary name, flushed
to the disk and renamed: under its own name it is complete. The digest is compared before HDF5 sees
a byte, for damaged structures can crash it. Rank 0 writes what the others send slab by slab; every
rank reads its own box, whatever the number of ranks was.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.errors import OutputError
from ekm3d.file_calls import flush_folder
from ekm3d.hdf5_file import opened

MAGIC, BLOCK = b"ekm3d checkpoint 1\n", 512
PIECE = 1 << 22             # bytes that are digested at a time
Domain = Any                # of `parallel`


class Damaged(OutputError):
    """A file is no checkpoint, or not the one that was written."""


def write(path: Path, domain: Domain, voxels: Iterable[tuple[str, np.ndarray]],
          small: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint; collective. OSError on the rank that writes, an error on all others.

    voxels: (name, (..., nz, ny, nx)) of this rank's box; small: arrays, facts: data for JSON, both
    of rank 0. The file appears under its name when it is on the disk.
    """
    draft = path.with_name(f".{path.name}.draft")
    writer = _Writer(draft, domain)
    with domain.collective_errors(OSError):
        writer.attempt(writer.begin, small, facts)
        for name, array in voxels:
            writer.add(name, array)
        writer.attempt(writer.end, path)
        if writer.error is not None:
            raise writer.error


class _Writer:
    """File under its temporary name; an error is kept until all ranks have sent their parts."""

    def __init__(self, draft: Path, domain: Domain) -> None:
        self.draft, self.domain = draft, domain
        self.file: Any = None
        self.open = ExitStack()
        self.error: OSError | None = None

    def attempt(self, action: Any, *arguments: Any) -> None:
        """Do something on rank 0, unless something has failed before."""
        if not self.domain.is_root or self.error is not None:
            return
        try:
            action(*arguments)
        except OSError as error:
            self.error = error
            self._give_up()

    def begin(self, small: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Create the file with all but the voxels."""
        self.draft.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.open.enter_context(opened(self.draft, "w", block=BLOCK))
        self.file["facts"] = json.dumps(facts)
        group = self.file.create_group("small")
        for name, array in small.items():
            array = np.asarray(array)
            group.create_dataset(name, data=array, fletcher32=array.size > 0)
        self.file.create_group("voxels")

    def add(self, name: str, array: np.ndarray) -> None:
        """Add (..., nz, ny, nx) of every rank's box, one block after the other; collective.

        Nothing is written of an array without rows.
        """
        lead, shape = array.shape[:-3], self.domain.whole.shape
        if 0 in lead:
            return
        self.attempt(self._create, name, lead, shape, array.dtype)
        for index in np.ndindex(*lead):
            for low, slab in self.domain.slabs(array[index]):
                self.attempt(self._put, name, (*index, slice(low, low + len(slab))), slab)

    def _create(self, name: str, lead: tuple, shape: tuple, dtype: np.dtype) -> None:
        chunk = (*(1,) * len(lead), min(shape[0], 32), *shape[1:])
        self.file["voxels"].create_dataset(name, (*lead, *shape), dtype, chunks=chunk,
                                           fletcher32=True)

    def _put(self, name: str, place: tuple, slab: np.ndarray) -> None:
        self.file["voxels"][name][place] = slab

    def end(self, path: Path) -> None:
        """Close the file, put its digest in front, flush it and give it its name."""
        self.open.close()
        with open(self.draft, "r+b") as file:
            head = MAGIC + b"sha256 " + _digest(file).encode() + b"\n"
            file.seek(0)
            file.write(head)                # over zeros: no more space is needed
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.draft, path)
        flush_folder(path.parent)

    def _give_up(self) -> None:
        """Remove what has been written."""
        with suppress(OSError):
            self.open.close()
        self.draft.unlink(missing_ok=True)


def _digest(file: Any) -> str:
    """Return the SHA-256 of an open file from the end of its first block on."""
    file.seek(BLOCK)
    digest = hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def is_checkpoint(path: Path) -> bool:
    """Return True if a file says that it is a checkpoint."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def facts_of(path: Path) -> dict[str, Any]:
    """Return the facts of a checkpoint after a check of its digest; Damaged."""
    try:
        with open(path, "rb") as file:
            head = file.read(BLOCK)
            words = head[len(MAGIC):].split(b"\n")[0].split()
            if not head.startswith(MAGIC) or len(words) != 2 or words[0] != b"sha256":
                raise Damaged(f"{path} is no checkpoint")
            if _digest(file) != words[1].decode("ascii", "replace"):
                raise Damaged(f"{path} is damaged: its contents have another SHA-256 than when "
                              "it was written")
        with opened(path) as file:
            return json.loads(file["facts"][()])
    except Damaged:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise Damaged(f"{path} cannot be read: {error}") from None


def small_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays that are the same on all ranks, by name."""
    with opened(path) as file:
        return {name: data[()] for name, data in file["small"].items()}


@contextmanager
def voxel_arrays(path: Path, domain: Domain) -> "Iterator[VoxelArrays]":
    """Open a checkpoint for the arrays of this rank's box, which are read on access."""
    with opened(path) as file:
        yield VoxelArrays(file["voxels"], domain)


class VoxelArrays:
    """Mapping of names to arrays (..., nz, ny, nx) of this rank's box."""

    def __init__(self, data: Any, domain: Domain) -> None:
        self.data, self.domain = data, domain

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __getitem__(self, name: str) -> np.ndarray:
        box = tuple(slice(a, b) for a, b in zip(self.domain.box.start, self.domain.box.stop,
                                                strict=True))
        return self.data[name][(Ellipsis, *box)]
