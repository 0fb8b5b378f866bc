"""Progress of a run: a bar on a terminal, a plain line every few seconds elsewhere.

Both show the simulated time, the step, the time left and the expected end by the clock, and the
work in hand where that takes long: a step, a snapshot, the compiler.
"""

import sys
import threading
import time
from contextlib import suppress
from typing import Any

from ekm3d.constants import HOUR
from ekm3d.output.console import give_up, tell

EVERY = 10.0        # seconds between plain lines
PATIENCE = 60.0     # seconds without a step after which a line says what is waited for
LOOK = 2.0          # seconds between looks for that
DAY = 24 * HOUR


class Progress:
    """`with Progress(end) as p: p.update(time, step, note)`; end and time in seconds of the run."""

    def __init__(self, end: float, quiet: bool = False) -> None:
        self.end, self.quiet = end, quiet
        self.begun = self.last = self.alive = time.monotonic()
        self.begun_at, self.step, self.work = 0.0, 0, "the first step"
        self.bar: Any = None            # rich's, where standard output is a terminal
        self.ended = threading.Event()

    def __enter__(self) -> "Progress":
        if self.quiet:
            return self
        if sys.stdout is not None and sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn
            self.bar = Progress(TextColumn("{task.fields[at]}"), BarColumn(),
                                TextColumn("{task.percentage:3.0f} %"),
                                TextColumn("{task.fields[note]}"))
            self.bar.start()
            self.task = self.bar.add_task("run", total=self.end, at="", note=self.work)
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        if self.bar:
            with suppress(OSError):         # the terminal has been closed
                self.bar.stop()

    def begin(self, at: float) -> None:
        """Count from here: a run that goes on from a checkpoint is at the time `at` [s]."""
        self.begun_at, self.begun = at, time.monotonic()

    def waits(self, work: str) -> None:
        """Note the work in hand, for the bar and for those who wait; "" for a step."""
        self.work, self.alive = work, time.monotonic()
        self._bar(note=work)

    def update(self, at: float, step: int, note: str) -> None:
        """Show the simulated time `at` [s] and the step; nothing if quiet."""
        now = time.monotonic()
        self.alive, self.step, self.work = now, step, ""
        if self.quiet:
            return
        left = (now - self.begun) * (self.end - at) / max(at - self.begun_at, 1e-9 * self.end)
        ending = f"{duration(left)} left, until {clock(left)}"
        if self.bar:
            self._bar(completed=at, at=f"{at / HOUR:.2f} h of {self.end / HOUR:.4g}",
                      note=f"step {step}, {note}, {ending}")
        elif now - self.last > EVERY:
            self.last = now
            tell(f"{at / HOUR:8.2f} h of {self.end / HOUR:.4g}  {100 * at / self.end:5.1f} %  "
                 f"step {step:6d}  {note}  {ending}")

    def _bar(self, **fields: Any) -> None:
        """Change the bar, which ends where its terminal has been closed."""
        if self.bar:
            try:
                self.bar.update(self.task, **fields)
            except OSError:
                self.bar, self.quiet = None, True
                give_up(sys.stdout)

    def _watch(self) -> None:
        """Say what is waited for where nothing has happened for PATIENCE; in a thread."""
        while not self.ended.wait(LOOK):
            since = time.monotonic() - self.alive
            if since < PATIENCE or self.quiet:
                continue
            text = f"{self.work or f'step {self.step + 1}'} has taken {duration(since)} so far"
            if self.bar:
                self._bar(note=text)
            elif time.monotonic() - self.last > PATIENCE:
                self.last = time.monotonic()
                tell(f"  {text}")


class Patience:
    """`with Patience("..."):` prints a line if what follows takes longer than a few seconds."""

    def __init__(self, text: str, after: float = 3.0, quiet: bool = False) -> None:
        """after: s."""
        self.timer = threading.Timer(after, tell, (text,))
        self.timer.daemon, self.quiet = True, quiet

    def __enter__(self) -> None:
        if not self.quiet:
            self.timer.start()

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()


def duration(seconds: float) -> str:
    """Return "90 s", "12 min", "5.3 h" or "4.1 days"."""
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60.0:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"


def clock(seconds: float) -> str:
    """Return the time of day in so many seconds: "14:32", with the date if that is another day."""
    if not seconds < 1000 * DAY:
        return "who knows when"
    then = time.localtime(time.time() + seconds)
    today = time.localtime()[:3] == then[:3]
    return time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", then)
