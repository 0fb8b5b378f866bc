"""Files that a case names: regular ones of a bounded size, in folders that it may reach.

A named pipe or a device would let a reader wait for ever or never come to an end. A case may name
files below its own directory, and in the folders that its key `folders` lists; a link that leads
elsewhere, and a path through "..", leave them.
"""

import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from ekm3d.file_calls import READ
from ekm3d.quoting import quoted

MIB = 2**20
KINDS = ((stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a named pipe"),
         (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"), (stat.S_ISSOCK, "a socket"))


class NotReadable(OSError):
    """File that cannot be read; `strerror` is the reason, for a message."""

    def __init__(self, reason: str):
        super().__init__(None, reason)


def opened(path: str | Path, largest: int) -> int:
    """Return the descriptor of a regular file of at most `largest` bytes, open for reading.

    FileNotFoundError, or another OSError with the reason in `strerror`.
    """
    try:
        number = os.open(path, READ)
    except ValueError:
        raise NotReadable("a null byte is no part of a name") from None
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for test, name in KINDS if test(status.st_mode)), "no file")
            raise NotReadable(f"it is {kind}, not a file")
        if status.st_size > largest:
            raise NotReadable(f"it has {status.st_size / MIB:,.0f} MiB, more than the "
                              f"{largest / MIB:,.0f} that are read")
    except BaseException:
        os.close(number)
        raise
    return number


def contents(path: str | Path, largest: int) -> bytes:
    """Return the bytes of a regular file of at most `largest` bytes; OSError as `opened`."""
    with os.fdopen(opened(path, largest), "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:                     # it grows, or is one of /proc, of no size
        raise NotReadable(f"it has more than the {largest / MIB:,.0f} MiB that are read")
    return data


class Folders:
    """Folders that a case may reach: its directory, and those of its key `folders`.

    Files that the command line names, `given`, are the user's own choice.
    """

    def __init__(self, directory: Path, others: Iterable[str] = (),
                 given: Collection[str] = (), bases: Sequence[Path] = (),
                 used: Callable[[Path], None] = lambda path: None):
        """bases: directories in which files are looked for that the case's own does not hold; used:
        is given the path of every file before it is read."""
        self.used = used
        self.directory, self.given, self.bases = directory, given, tuple(bases)
        self.roots = [Path(os.path.realpath(directory / name)) for name in ("", *others)]

    def file(self, name: str) -> Path:
        """Return the path of a file that the case names.

        ValueError, with a message for the user, where it lies in none of the folders.
        """
        if "\0" in name:
            raise ValueError(f"{quoted(name)} is no name of a file: it holds a null byte")
        path = next((base / name for base in (self.directory, *self.bases)
                     if os.path.exists(base / name)), self.directory / name)
        try:
            place = Path(os.path.realpath(path))
        except OSError as error:
            raise ValueError(f"{quoted(name)} is no name of a file: {error.strerror}") from None
        if name not in self.given and not any(place.is_relative_to(root) for root in self.roots):
            raise ValueError(f"{quoted(name)} lies outside of the case's directory; to read files "
                             "from another one, name that at the top: folders = "
                             "[\"../tables\"]")
        self.used(path)
        return path
