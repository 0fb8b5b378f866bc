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

_writing: set[Path] = set()         # directories of runs that go on in this process


def owner() -> dict[str, Any]:
    """Return the entries of status.json that name this process."""
    return {"process": os.getpid(), "process_begun": begun(os.getpid()), "host": platform.node()}


def begun(process: int) -> str:
    """Return when a process of this computer began, in ticks (Linux); "" if it is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_written(directory: Path, status_file: str) -> bool:
    """Return True if a run that is alive, of this computer, writes into the directory."""
    if directory.resolve() in _writing:
        return True
    try:
        status = json.loads((directory / status_file).read_text(encoding="utf-8"))
        process = int(status["process"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return (status.get("state") == "running" and process != os.getpid()
            and status.get("host") == platform.node()
            and begun(process) == status.get("process_begun") != "")


def claim(directory: Path) -> None:
    """Note that a run of this process writes into the directory."""
    _writing.add(directory.resolve())


def release(directory: Path) -> None:
    """Note that it has ended."""
    _writing.discard(directory.resolve())
