"""Writes that have failed: counted, and told once; and text that is appended as a whole or not."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from ekm3d.output.console import tell

WAITS = (0.5, 2.0)          # s before a snapshot that could not be written is tried again


class FailedWrites:
    """Failures of one run; count: their number. A reason, such as a full disk, is told once."""

    def __init__(self) -> None:
        self.count = 0
        self.told: set[object] = set()

    def note(self, what: str, error: Exception, then: str) -> None:
        """Count a failure, and tell it where its reason is new; then: what is done."""
        self.count += 1
        self.tell(f"warning: {what} could not be written: {error}; {then}", error)

    def tell(self, text: str, error: Exception) -> None:
        """Tell a failure where its reason is new."""
        reason = getattr(error, "errno", None) or type(error)
        if reason not in self.told:
            self.told.add(reason)
            tell(text, sys.stderr)


def append(path: Path, text: str) -> None:
    """Append text to a file; OSError, with the file as it was."""
    data = memoryview(text.encode())
    with open(path, "ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            while data:
                data = data[file.write(data):]
        except OSError:
            with suppress(OSError):
                os.ftruncate(file.fileno(), size)
            raise


def write_atomically(path: Path, text: str) -> None:
    """Replace the contents of a file in one step, so that readers see the old or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
