"""One run at a time in a result directory, and nothing removed there that no run has made.

    .ekm3d          mark: a run of this program has made the directory, or found it empty
    .ekm3d.lock     while a run goes on: its process, computer and boot; who creates it, has it

The lock of a process that has ended, of a computer that was booted since, or of the same Slurm job
before it was queued again is stale. That of another computer is stale when it has not been touched
for STALE seconds; a run touches it while it goes on.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ekm3d.errors import OutputError
from ekm3d.output.run_owner import lives, owner
from ekm3d.version import __version__

MARK, LOCK = ".ekm3d", ".ekm3d.lock"
STALE, TOUCH_EVERY = 3600.0, 20.0       # s
FILES = ("summary.json", "series.csv", "status.json", "log.txt", "fields.vtkhdf", "fields")


def _boot() -> str:
    """Return a name of the time since which this computer runs; "" where there is none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return ""


class RunLock:
    """Lock of one directory by this process."""

    def __init__(self, directory: Path) -> None:
        self.path, self.touched = directory / LOCK, time.monotonic()
        self.text = json.dumps({**owner(), "boot": _boot(),
                                "job": os.environ.get("SLURM_JOB_ID", "")})

    def acquire(self, in_this_process: bool = False) -> None:
        """Take the lock, a stale one too; OutputError where another run has it.

        in_this_process: a run of this very process writes there.
        """
        for _ in range(3):
            try:
                number = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                self._remove_stale(in_this_process)
                continue
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(self.text)
            return
        raise OutputError(f"{self.path.parent}: another run takes {self.path.name} again and again")

    def _remove_stale(self, in_this_process: bool) -> None:
        """Move a stale lock out of the way; OutputError if it is not."""
        try:
            text = self.path.read_text(encoding="utf-8")
            age = time.time() - self.path.stat().st_mtime
        except OSError:
            return                                      # it has just been given back
        reason = holder(text, age, in_this_process)
        if reason:
            raise OutputError(f"another run is writing into {self.path.parent}{reason}; wait for "
                              f"its end, give --out DIR, or remove {self.path} if it has ended")
        aside = self.path.with_name(f"{LOCK}.{os.getpid()}")
        with suppress(FileNotFoundError):
            os.rename(self.path, aside)
            if aside.read_text(encoding="utf-8") != text and not self.path.exists():
                os.rename(aside, self.path)             # another process was faster
            else:
                aside.unlink()

    def touch(self) -> None:
        """Show that the run goes on, every TOUCH_EVERY seconds."""
        now = time.monotonic()
        if now - self.touched >= TOUCH_EVERY:
            self.touched = now
            with suppress(OSError):
                os.utime(self.path)

    def release(self) -> None:
        """Give the lock back, if it is still this one."""
        with suppress(OSError):
            if self.path.read_text(encoding="utf-8") == self.text:
                self.path.unlink()


def holder(text: str, age: float, in_this_process: bool) -> str:
    """Return who has a lock, as " (...)"; "" if it is stale.

    text: contents of the lock; age: s since it was touched.
    """
    try:
        facts: dict[str, Any] = json.loads(text)
        process, host = int(facts["process"]), str(facts["host"])
        alive = lives(facts)
    except (ValueError, KeyError, TypeError):
        return " (its lock is being written)" if age < 5.0 else ""
    if alive and process == os.getpid() and facts.get("boot") == _boot():
        alive = in_this_process
    elif alive and facts.get("boot") != _boot():
        alive = False
    elif alive is None:
        mine = os.environ.get("SLURM_JOB_ID", "")
        alive = age < STALE and not (mine and facts.get("job") == mine)
    return f" (process {process} of {host})" if alive else ""


def mark(directory: Path) -> None:
    """Mark a directory as one of a run."""
    (directory / MARK).write_text(json.dumps({"ekm3d": __version__}) + "\n", encoding="utf-8")


def check_mark(directory: Path) -> None:
    """OutputError where files have the names of a run's, and no run has made them."""
    names = [name for name in FILES if (directory / name).exists()]
    if names and not (directory / MARK).exists() and not _older_run(directory):
        raise OutputError(f"{directory} holds {', '.join(names)}, and nothing shows that a run of "
                          "ekm3d has written that; give --out DIR with a directory of its own")


def _older_run(directory: Path) -> bool:
    """Return True for results of a version without marks: their status tells the step."""
    try:
        status = json.loads((directory / "status.json").read_text(encoding="utf-8"))
        return {"state", "time_s", "of_s", "step"} <= set(status)
    except (OSError, ValueError, TypeError):
        return False
