"""Background thread for writing: one task at a time, in order, while the run goes on.

HDF5 compresses and writes without Python's global lock, so a run needs no more than another core.
An error of a task is raised in the run by its next call of `check`, `wait` or `start`.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class BackgroundWriter:
    """A thread and its present task."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1, "writer")
        self.task: Future[Any] | None = None

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Wait for the last task, then start function(*arguments), which now owns its arguments."""
        self.wait()
        self.task = self.thread.submit(function, *arguments)

    def check(self) -> None:
        """Raise the error of a finished task, without waiting."""
        if self.task is not None and self.task.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the task to end; raise its error."""
        task, self.task = self.task, None
        if task is not None:
            task.result()
