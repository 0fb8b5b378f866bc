"""HDF5 files: the one place where they are opened, on every file system and beside other readers.

HDF5 locks a file while it is open. Some file systems (NFS, Lustre) have no locks, and a program
that shows a file of a run would stop the run by its lock. So no file is locked; where the
environment insists (HDF5_USE_FILE_LOCKING=TRUE), HDF5 is given a file opened by Python, which it
cannot lock. A file that exists is changed as a whole or not at all (`journaled_file`).
"""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from ekm3d.journaled_file import JournaledFile, journal_of

PASSING = (errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ETXTBSY)
WAITS = (0.1, 0.5, 2.0)          # s between attempts where another program is in the way


def can_lock(folder: Path) -> bool:
    """Return True if HDF5 can lock a file in a folder; OSError where it can write none there.

    It leaves two files there.
    """
    with h5py.File(folder / "free.h5", "w", locking=False) as file:
        file["a"] = 1.0
    try:
        with h5py.File(folder / "locked.h5", "w", locking=True) as file:
            file["a"] = 1.0
    except OSError:
        return False
    return True


@contextmanager
def opened(path: str | Path, mode: str = "r", virtual: bool = True, block: int = 0
           ) -> Iterator[h5py.File]:
    """Open an HDF5 file without locks: mode "r", "r+" or "w"; OSError if it cannot be.

    virtual: datasets composed of other files may be read; block: bytes at the beginning of a new
    file that are not HDF5's. "r+": the file is changed at the end of
    the `with` statement, and not at all where an error ends it.
    """
    options = {"userblock_size": block} if block else {}
    if mode == "w":
        open(path, "wb").close()
    if mode != "r" or journal_of(Path(path)).exists():
        with (JournaledFile(path, change=mode != "r") as under,
              h5py.File(under, mode, **options) as file):
            yield file
            file.close()
            if mode != "r":
                under.commit()
        return
    for wait in (*WAITS, None):
        try:
            file, under = _attempt(path, virtual)
            break
        except OSError as error:
            if wait is None or error.errno not in PASSING:
                raise
            time.sleep(wait)
    try:
        with file:
            yield file
    finally:
        if under is not None:
            under.close()


def _attempt(path: str | Path, virtual: bool) -> tuple[h5py.File, Any]:
    """Return (file, the Python file under it or None); OSError."""
    try:
        return h5py.File(path, "r", locking=False), None
    except OSError as error:
        if "lock" not in str(error):
            raise
        refusal = error
    under = open(path, "rb")
    try:
        file = h5py.File(under, "r")
        if virtual and _has_virtual(file):      # HDF5 could not find their files, and crash
            raise OSError(refusal.errno, f"{path}: {refusal}; set HDF5_USE_FILE_LOCKING=FALSE")
        return file, under
    except BaseException:
        under.close()
        raise


def _has_virtual(file: h5py.File) -> bool:
    """Return True if a dataset of the file is composed of other files'."""
    found = file.visititems(lambda _, item: True if isinstance(item, h5py.Dataset)
                            and item.is_virtual else None)
    return found is True
