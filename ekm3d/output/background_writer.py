"""Work for the disk that goes on beside the run: one piece at a time, in order, in one thread.

Python's lock is free while HDF5 compresses and writes, so that the run needs no more than another
core. What goes wrong is raised where the run next meets its writer: `check`, `wait` or `start`.
"""

from concurrent.futures import ThreadPoolExecutor


class Writer:
    """A thread and the piece of work that it is at."""

    def __init__(self):
        self.thread, self.work = ThreadPoolExecutor(1, "writer"), None

    def start(self, work, *given):
        """Have work(*given) done, once the piece before is; from then on what it uses is its."""
        self.wait()
        self.work = self.thread.submit(work, *given)

    def check(self):
        """Raise what has gone wrong, without waiting."""
        if self.work is not None and self.work.done():
            self.wait()

    def wait(self):
        """Wait until the work is done; raise what has gone wrong."""
        work, self.work = self.work, None
        if work is not None:
            work.result()
