"""Requests to stop a run: signals, a file, a limit of time; decided once a step for all ranks.

    SIGTERM, SIGUSR1, SIGINT, SIGHUP      from a scheduler, a user, a terminal that is closed
    OUT/STOP                              a file of that name in the result directory
    max_hours                             since the run was started or resumed

The step under way is finished first. A second SIGINT stops the program at once.
"""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from ekm3d.constants import HOUR
from ekm3d.errors import Ekm3dError

STOP_FILE = "STOP"
SIGNALS = ("SIGTERM", "SIGUSR1", "SIGINT", "SIGHUP")
NOTHING, CHECKPOINT, FILE, LIMIT, FIRST_SIGNAL = range(5)      # wishes; the largest is granted
LOOK_EVERY = 1.0        # s between looks for the file: shared disks are slow to answer


class Interrupted(Ekm3dError):
    """The run has been asked to stop and has saved its state; it can be resumed."""

    exit_code = 75      # EX_TEMPFAIL of sysexits.h: try again


class Interruption:
    """Requests of one process, and their exchange between all ranks of a run."""

    def __init__(self, domain: Any, directory: Path, max_hours: float | None = None,
                 signals: bool = False) -> None:
        """signals: handle them, for which this must be the main thread."""
        self.domain, self.file = domain, directory / STOP_FILE
        self.begun = self.looked = time.monotonic()
        self.limit, self.signals, self.caught = max_hours, signals, NOTHING
        self.handlers: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        for name in SIGNALS if self.signals else ():
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:   # nohup
                self.handlers[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; the second SIGINT ends the program."""
        wish = FIRST_SIGNAL + SIGNALS.index(signal.Signals(number).name)
        if self.caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.caught = max(self.caught, wish)

    def wish(self, checkpoint_due: bool = False) -> int:
        """Return what the run is asked for, the same number on all ranks; collective.

        checkpoint_due: of rank 0, which also looks at the clock and for the file.
        """
        mine = self.caught
        if self.domain.is_root and not mine:
            mine = self._of_root(checkpoint_due)
        return int(np.max(self.domain.allgather_array(np.array([mine]))))

    def _of_root(self, checkpoint_due: bool) -> int:
        now = time.monotonic()
        if self.limit is not None and now - self.begun >= self.limit * HOUR:
            return LIMIT
        if now - self.looked >= LOOK_EVERY:
            self.looked = now
            if self.file.exists():
                self.file.unlink(missing_ok=True)
                return FILE
        return CHECKPOINT if checkpoint_due else NOTHING

    def reason(self, wish: int) -> str:
        """Return a request in words."""
        if wish >= FIRST_SIGNAL:
            return f"by {SIGNALS[wish - FIRST_SIGNAL]}"
        return {FILE: f"by the file {self.file}",
                LIMIT: f"after --max-hours {self.limit or 0:g}"}[wish]
