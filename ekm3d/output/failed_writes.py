"""Writes that have failed: counted, and told once; and text that is appended as a whole or not."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from ekm3d.output.console import tell

WAITS = (0.5, 2.0)          # s before a snapshot that could not be written is tried again


class FailedWrites:
    """Failures of one run; count: their number."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""

    def note(self, what: str, error: Exception, then: str) -> None:
        """Count a failure, and tell it where it is another than the last; then: what is done."""
        self.count += 1
        if self.last != what:
            self.last = what
            tell(f"warning: {what} could not be written: {error}; {then}", sys.stderr)


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
