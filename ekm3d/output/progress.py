"""Progress of a run: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from contextlib import suppress
from typing import Any

from ekm3d.constants import HOUR
from ekm3d.output.console import give_up, tell

EVERY = 10.0     # seconds between plain lines


class Progress:
    """`with Progress(end) as p: p.update(time, step, note)`; end and time in seconds of the run."""

    def __init__(self, end: float, quiet: bool = False) -> None:
        self.end, self.quiet = end, quiet
        self.begun = self.last = time.monotonic()
        self.bar: Any = None            # rich's, where standard output is a terminal

    def __enter__(self) -> "Progress":
        if not self.quiet and sys.stdout is not None and sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
            self.bar = Progress(TextColumn("{task.fields[at]}"), BarColumn(),
                                TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn(),
                                TextColumn("{task.fields[note]}"))
            self.bar.start()
            self.task = self.bar.add_task("run", total=self.end, at="", note="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            with suppress(OSError):         # the terminal has been closed
                self.bar.stop()

    def update(self, at: float, step: int, note: str) -> None:
        """Show the simulated time `at` [s] and the step; nothing if quiet."""
        if self.bar:
            try:
                self.bar.update(self.task, completed=at, at=f"{at / HOUR:7.2f} h", note=note)
            except OSError:
                self.bar, self.quiet = None, True
                give_up(sys.stdout)
        elif not self.quiet and time.monotonic() - self.last > EVERY:
            self.last = time.monotonic()
            elapsed = self.last - self.begun
            left = elapsed * (self.end / at - 1.0) if at > 0 else 0.0
            tell(f"{at / HOUR:8.2f} h of {self.end / HOUR:.0f}  {100 * at / self.end:5.1f} %  "
                 f"step {step:6d}  {note}  {left:5.0f} s left")
