"""File that is changed as a whole or not at all, whenever the process is killed.

HDF5 changes a file in many small writes; between two of them it may be unreadable. Here

    1. what lies behind the old end of the file is written at once: nobody looks there yet,
    2. changes of older bytes are kept in memory, and written to a journal beside the file,
    3. the journal gets its name when it is on the disk: from here on the change has happened,
    4. the older bytes are changed, and the journal is removed.

Whoever opens the file next and finds a journal reads through it, or repeats step 4.

HDF5 crashes where a write fails. It is told of no failure: the first one is kept, the file stays as
it was, and `commit` raises the error.
"""

import hashlib
import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ekm3d.file_calls import read_at, write_at

PAGE = 4096
MAGIC = b"ekm3d journal 1\n"
SMALL = 1 << 16         # bytes of a write that HDF5 may want to read again after a failure


class JournaledFile(io.RawIOBase):
    """An existing file, opened to be read and changed; for h5py, which takes such objects.

    The change is made by `commit`; closing without it leaves the file as it was.
    """

    def __init__(self, path: str | Path, change: bool = True) -> None:
        """change: False to read alone. OSError if the file cannot be opened."""
        self.path, self.change = Path(path), change
        if change:
            recover(self.path)
        self.under = open(path, "r+b" if change else "rb", buffering=0)
        self.old_size = self.size = os.fstat(self.under.fileno()).st_size
        self.at = 0
        self.error: OSError | None = None
        self.pages: dict[int, bytearray] = {}
        found = None if change else _read_journal(journal_of(self.path))
        if found is not None:
            self.size, self.pages = found

    # ---- what h5py calls ----

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return self.change

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        self.at = start + offset
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self.size - self.at))
        done = 0
        while done < count:
            piece = read_at(self.under.fileno(), count - done, self.at + done)
            if not piece:
                view[done:count] = bytes(count - done)      # behind the end on the disk: zeros
                break
            view[done:done + len(piece)] = piece
            done += len(piece)
        for number in range(self.at // PAGE, -(-(self.at + count) // PAGE)):
            page = self.pages.get(number)
            if page is not None:
                low, high = max(self.at, number * PAGE), min(self.at + count,
                                                             number * PAGE + len(page))
                if low < high:
                    view[low - self.at:high - self.at] = page[low - number * PAGE:
                                                              high - number * PAGE]
        self.at += count
        return count

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        old = max(0, min(len(view), self.old_size - self.at))
        if old:
            self._keep(view[:old], self.at)
        if self.error is None:
            try:
                self._write(view[old:], self.at + old)
            except OSError as error:
                self.error = error
        if self.error is not None and len(view) - old <= SMALL:
            self._keep(view[old:], self.at + old)
        self.at += len(view)
        self.size = max(self.size, self.at)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self.size = self.at if size is None else size
        if self.size >= self.old_size and self.error is None:
            try:
                os.ftruncate(self.under.fileno(), self.size)
            except OSError as error:
                self.error = error
        return self.size

    def flush(self) -> None:
        """Do nothing: `commit` writes."""

    def close(self) -> None:
        self.under.close()
        super().close()

    # ---- the change ----

    def _write(self, data: memoryview, at: int) -> None:
        """Write behind the old end."""
        while data:
            count = write_at(self.under.fileno(), data, at)
            at, data = at + count, data[count:]

    def _keep(self, data: memoryview, at: int) -> None:
        """Keep a change of older bytes in memory, and after a failure of others."""
        while data:
            number, offset = divmod(at, PAGE)
            begin = number * PAGE
            end = PAGE if self.error is not None else min(PAGE, self.old_size - begin)
            page = self.pages.setdefault(number, bytearray())
            if len(page) < end:
                page += read_at(self.under.fileno(), end - len(page), begin + len(page))
                page += bytes(end - len(page))
            piece = data[:end - offset]
            page[offset:offset + len(piece)] = piece
            at, data = at + len(piece), data[len(piece):]

    def commit(self) -> None:
        """Make the change; OSError where it cannot be made, with the file as it was."""
        try:
            if self.error is not None:
                raise self.error
            os.fsync(self.under.fileno())
            if not self.pages and self.size >= self.old_size:
                return
            _write_journal(journal_of(self.path), self.size, self.pages)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.under.fileno(), self.old_size)
            raise
        _apply(self.under.fileno(), self.size, self.pages)
        journal_of(self.path).unlink()


def journal_of(path: Path) -> Path:
    """Return the name of a file's journal."""
    return path.with_name(f".{path.name}.journal")


def recover(path: Path) -> bool:
    """Complete a change that a process was killed in; return True if there was one."""
    journal = journal_of(path)
    found = _read_journal(journal)
    if found is not None and path.exists():
        with open(path, "r+b") as file:
            _apply(file.fileno(), *found)
    journal.unlink(missing_ok=True)
    return found is not None


def _apply(number: int, size: int, pages: dict[int, bytearray]) -> None:
    """Write the pages into an open file and give it its size."""
    first, run = 0, bytearray()
    for page, data in sorted(pages.items()):
        if run and first * PAGE + len(run) != page * PAGE:
            write_at(number, run, first * PAGE)
            run = bytearray()
        first = first if run else page
        run += data
    if run:
        write_at(number, run, first * PAGE)
    os.ftruncate(number, size)
    os.fsync(number)


def _write_journal(path: Path, size: int, pages: dict[int, bytearray]) -> None:
    """Write a journal under a temporary name, flush and rename it."""
    order = sorted(pages)
    head = json.dumps({"size": size, "pages": [[n, len(pages[n])] for n in order]}).encode()
    body = head + b"\n" + b"".join(pages[n] for n in order)
    draft = path.with_name(path.name + ".draft")
    try:
        with open(draft, "wb") as file:
            file.write(MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _read_journal(path: Path) -> tuple[int, dict[int, bytearray]] | None:
    """Return (size of the file, changed pages) of a journal, None without a whole one."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    magic, rest = data[:len(MAGIC)], data[len(MAGIC):]
    digest, _, body = rest.partition(b"\n")
    if magic != MAGIC or hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    head, _, content = body.partition(b"\n")
    facts = json.loads(head)
    pages, at = {}, 0
    for number, length in facts["pages"]:
        pages[number] = bytearray(content[at:at + length])
        at += length
    return facts["size"], pages
