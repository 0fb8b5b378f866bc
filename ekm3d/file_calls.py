"""Calls of the operating system on files, with substitutes where a system has none of them."""

import os
from contextlib import suppress
from pathlib import Path

# Flags for a file that is read: a named pipe does not hang, and Windows leaves line ends alone.
READ = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def read_at(number: int, count: int, at: int) -> bytes:
    """Return up to `count` bytes of an open file from a place on."""
    if hasattr(os, "pread"):
        return os.pread(number, count, at)
    os.lseek(number, at, os.SEEK_SET)           # Windows
    return os.read(number, count)


def write_at(number: int, data: bytes | bytearray | memoryview, at: int) -> int:
    """Write into an open file from a place on; return the number of bytes written."""
    if hasattr(os, "pwrite"):
        return os.pwrite(number, data, at)
    os.lseek(number, at, os.SEEK_SET)
    return os.write(number, data)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk, where the system can (Windows cannot)."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
