"""Owner of a result directory: the process whose run writes there, by the status that it leaves.

    "process": 4711, "process_begun": "83412", "host": "n17"       in status.json while it runs

A run that was killed leaves the same words; its process number may belong to another process by
now, which has begun at another time.
"""

import json
import os
import platform
from pathlib import Path
from typing import Any

PROCESSES = Path("/proc")           # of Linux; other systems have none, or not these files
_writing: set[Path] = set()         # directories of runs that go on in this process


def owner() -> dict[str, Any]:
    """Return the entries of status.json that name this process."""
    return {"process": os.getpid(), "process_begun": begun(os.getpid()), "host": platform.node()}


def begun(process: int) -> str:
    """Return when a process of this computer began, in ticks (Linux); "" if it is none, or unknown.
    """
    try:
        words = (PROCESSES / str(process) / "stat").read_bytes().rpartition(b")")[2].split()
        return words[19].decode()
    except (OSError, IndexError):
        return ""


def exists(process: int) -> bool | None:
    """Return True if there is a process of this number, None where the system does not tell.

    For systems without /proc. On Windows `os.kill` would end it.
    """
    if os.name != "posix":
        return True if process == os.getpid() else None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:                     # somebody else's
        return True
    return True


def is_written(directory: Path, status_file: str) -> bool:
    """Return True if a run that is alive, of this computer, writes into the directory."""
    if directory.resolve() in _writing:
        return True
    try:
        status = json.loads((directory / status_file).read_text(encoding="utf-8"))
        return (status.get("state") == "running" and int(status["process"]) != os.getpid()
                and lives(status) is True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def lives(status: dict[str, Any]) -> bool | None:
    """Return True if the process that wrote a status goes on, None where that cannot be known.

    It cannot for a process of another computer.
    """
    if status.get("host") != platform.node():
        return None
    process = int(status.get("process", 0))
    if not PROCESSES.is_dir():
        return exists(process) if process > 0 else False
    since = begun(process)
    return since == status.get("process_begun") and since != ""


def is_claimed(directory: Path) -> bool:
    """Return True if a run of this process writes into the directory."""
    return directory.resolve() in _writing


def claim(directory: Path) -> None:
    """Note that a run of this process writes into the directory."""
    _writing.add(directory.resolve())


def release(directory: Path) -> None:
    """Note that it has ended."""
    _writing.discard(directory.resolve())
