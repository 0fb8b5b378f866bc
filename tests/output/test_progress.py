"""Progress of a run: plain lines in a file, a bar on a terminal."""

import io
import sys

from ekm3d.output import progress
from ekm3d.output.progress import Progress


class Stream(io.StringIO):
    """A standard output that counts how often it is flushed; perhaps a terminal."""

    flushed, terminal = 0, False

    def flush(self):
        self.flushed += 1

    def isatty(self):
        return self.terminal


def test_without_a_terminal_progress_is_plain_lines_flushed_at_once(monkeypatch):
    """Into a file or a queue's log: one line now and then, each on its way before the next step.

    A quarter of the run in 30 s: 90 s are left.
    """
    stream, now = Stream(), [1000.0]
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Progress(40 * 3600.0) as shown:
        for spent, at in ((5.0, 1.0), (30.0, 10.0), (31.0, 11.0), (60.0, 20.0)):
            now[0] = 1000.0 + spent
            shown.update(at * 3600.0, int(at), "dt 600 s")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2 and stream.flushed == 2
    assert lines[0].split() == "10.00 h of 40 25.0 % step 10 dt 600 s 90 s left".split()


def test_on_a_terminal_there_is_a_bar(monkeypatch):
    """With hours, percent and the note; quiet says nothing at all."""
    stream = Stream()
    stream.terminal = True
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(7200.0) as shown:
        shown.update(3600.0, 6, "dt 600 s")
    assert "1.00 h" in stream.getvalue() and "50 %" in stream.getvalue()
    length = len(stream.getvalue())
    with Progress(7200.0, quiet=True) as shown:
        shown.update(3600.0, 6, "dt 600 s")
    assert len(stream.getvalue()) == length
