"""How far a run is: a bar on a terminal, one plain line now and then elsewhere."""

import sys
import time

from ekm3d.constants import HOUR

EVERY = 10.0     # seconds between plain lines


class Progress:
    """`with Progress(end) as p: p.update(time, step, note)`; end and time in seconds of the run."""

    def __init__(self, end, quiet=False):
        self.end, self.quiet = end, quiet
        self.begun = self.last = time.monotonic()
        self.bar = None

    def __enter__(self):
        if not self.quiet and sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
            self.bar = Progress(TextColumn("{task.fields[at]}"), BarColumn(),
                                TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn(),
                                TextColumn("{task.fields[note]}"))
            self.bar.start()
            self.job = self.bar.add_task("run", total=self.end, at="", note="")
        return self

    def __exit__(self, *_):
        if self.bar:
            self.bar.stop()

    def update(self, at, step, note):
        """Show that the run has come to `at` [s]."""
        if self.bar:
            self.bar.update(self.job, completed=at, at=f"{at / HOUR:7.2f} h", note=note)
        elif not self.quiet and time.monotonic() - self.last > EVERY:
            self.last = time.monotonic()
            spent = self.last - self.begun
            left = spent * (self.end / at - 1.0) if at > 0 else 0.0
            print(f"{at / HOUR:8.2f} h of {self.end / HOUR:.0f}  {100 * at / self.end:5.1f} %  "
                  f"step {step:6d}  {note}  {left:5.0f} s left", flush=True)
