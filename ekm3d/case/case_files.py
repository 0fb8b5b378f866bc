"""Files of a case directory while it is read: their digests, and whether they changed."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

PIECE = 1 << 20             # bytes that are digested at a time


class CaseFiles:
    """Files of a case's directories when it is read, and those elsewhere that it reads.

    digests: {name: SHA-256}, "unreadable" for a file that cannot be; the names of files of a case
    that this one extends, and of those in its `folders`, begin with their directory, as seen from
    the case's own: "../base/ore.csv". Files of other folders, and of subfolders, are taken once
    they are used.
    """

    def __init__(self, folder: Path, bases: Sequence[Path] = ()) -> None:
        """bases: directories of the cases that this one extends."""
        self.folder = folder
        self.digests: dict[str, str] = {}
        self.seen: dict[Path, tuple[int, ...]] = {}
        self.names: dict[Path, str] = {}
        for path in (path for place in (folder, *bases) for path in self._files(place)):
            self.take(path)

    def take(self, path: Path) -> None:
        """Digest a file that is about to be read, unless it has been; nothing if it is none."""
        name = Path(os.path.relpath(path, self.folder)).as_posix()
        if name in self.digests or not path.is_file():
            return
        self.names[path] = name
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
