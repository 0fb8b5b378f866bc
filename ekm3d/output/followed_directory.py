"""Result directory of a run by what it is, not by its name: it may be moved while the run goes on.

The directory is held open; where its path leads elsewhere or nowhere, Linux tells its new one.
"""

import os
from pathlib import Path


class FollowedDirectory:
    """A directory that is held open until `close`."""

    def __init__(self, path: Path) -> None:
        self.last = path
        try:
            self.number = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        except PermissionError:             # Windows opens no directories
            if hasattr(os, "O_DIRECTORY"):
                raise
            self.number = -1
        found = path.stat() if self.number < 0 else os.fstat(self.number)
        self.identity = found.st_dev, found.st_ino

    def now(self) -> Path:
        """Return its path now; the last one that is known, where that cannot be found."""
        if self.number >= 0 and not self._is(self.last):
            try:
                moved = Path(os.readlink(f"/proc/self/fd/{self.number}"))
            except OSError:
                return self.last
            if self._is(moved):
                self.last = moved
        return self.last

    def _is(self, path: Path) -> bool:
        """True if a path leads to the directory."""
        try:
            found = path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self.identity

    def close(self) -> None:
        """Let it go."""
        if self.number >= 0:
            os.close(self.number)
            self.number = -1
