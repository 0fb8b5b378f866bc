"""Progress of a run: plain lines in a file, a bar on a terminal."""

import io
import re
import sys
import time

import pytest

from ekm3d.output import progress
from ekm3d.output.progress import Patience, Progress, clock, duration


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
    assert lines[0].split()[:15] == "10.00 h of 40 25.0 % step 10 dt 600 s 90 s left, until".split()
    assert re.fullmatch(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d", " ".join(lines[0].split()[15:]))


def test_a_resumed_run_counts_its_own_time(monkeypatch):
    """From 30 h of 40 to 35 h in 20 s: 20 s are left, whatever came before."""
    stream, now = Stream(), [1000.0]
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Progress(40 * 3600.0) as shown:
        shown.begin(30 * 3600.0)
        now[0] += 20.0
        shown.update(35 * 3600.0, 7, "dt 600 s")
    assert "  20 s left, until " in stream.getvalue()


def test_a_long_wait_says_what_it_is_for(monkeypatch):
    """A step that takes longer than the patience, then a snapshot; not a word when quiet."""
    stream = Stream()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(progress, "PATIENCE", 0.05)
    monkeypatch.setattr(progress, "LOOK", 0.01)
    for quiet in (True, False):
        with Progress(3600.0, quiet) as shown:
            shown.update(60.0, 12, "dt 60 s")
            wait_for(lambda: "step 13 has taken 0 s so far" in stream.getvalue(), not quiet)
            shown.waits("the snapshot at 1 h")
            wait_for(lambda: "the snapshot at 1 h has taken" in stream.getvalue(), not quiet)
        if quiet:
            assert stream.getvalue() == ""


def wait_for(condition, expected):
    """Wait until something happens, at most 10 s; a tenth of one where it must not."""
    end = time.monotonic() + (10.0 if expected else 0.1)
    while time.monotonic() < end and not condition():
        time.sleep(0.01)
    assert condition() == expected


def test_patience_speaks_up_only_after_a_while(monkeypatch):
    stream = Stream()
    monkeypatch.setattr(sys, "stdout", stream)
    with Patience("compiling", 60.0):
        pass
    with Patience("compiling", 0.0, quiet=True):
        time.sleep(0.02)
    assert stream.getvalue() == ""
    with Patience("compiling", 0.0):
        wait_for(lambda: stream.getvalue() == "compiling\n", True)


@pytest.mark.parametrize("seconds, text", [(5.4, "5 s"), (99, "99 s"), (600, "10 min"),
                                           (9000, "2.5 h"), (864000, "10.0 days")])
def test_durations_have_a_unit_that_fits(seconds, text):
    assert duration(seconds) == text


def test_the_end_by_the_clock_has_a_date_if_it_is_not_today():
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", clock(3 * 86400.0))
    assert clock(float("inf")) == "who knows when"


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
