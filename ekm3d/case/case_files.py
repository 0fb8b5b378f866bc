"""Files of a case directory while it is read: their digests, and whether they changed."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

PIECE = 1 << 20             # bytes that are digested at a time


class CaseFiles:
    """Files of a case's directories at the time at which it is read; subfolders are left out.

    digests: {name: SHA-256}, "unreadable" for a file that cannot be; the names of files of a case
    that this one extends begin with its directory, as seen from the case's own: "../base/ore.csv".
    """

    def __init__(self, folder: Path, bases: Sequence[Path] = ()) -> None:
        """bases: directories of the cases that this one extends."""
        self.digests: dict[str, str] = {}
        self.seen: dict[Path, tuple[int, ...]] = {}
        self.names: dict[Path, str] = {}
        for path in (path for place in (folder, *bases) for path in self._files(place)):
            name = self.names[path] = Path(os.path.relpath(path, folder)).as_posix()
            try:
                self.seen[path] = _signature(path)
                self.digests[name] = _digest(path)
            except OSError:
                self.digests[name] = "unreadable"

    @staticmethod
    def _files(folder):
        """Files in their order; none where there is no such directory."""
        try:
            return sorted(path for path in folder.iterdir() if path.is_file())
        except OSError:
            return []

    def changed(self) -> list[str]:
        """Return the names of files that are no longer those that were digested."""
        return [self.names[path] for path, signature in self.seen.items()
                if not _is(path, signature)]


def _is(path: Path, signature: tuple[int, ...]) -> bool:
    try:
        return _signature(path) == signature
    except OSError:
        return False


def _signature(path: Path) -> tuple[int, ...]:
    """Number, size and time of change of a file."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
