"""Processor time of tests, with that of the processes they start: `pytest --processor-time 40`.

Unlike seconds of the clock it does not depend on what else the machine does. Work that tests share
(a run for a module, compiled kernels) is counted where it is done first.
"""

import os
from collections import Counter

import pytest

NAME = "processor time"


def spent():
    """Processor time of this process and of its ended children up to now [s]."""
    return sum(os.times()[:4])


class ProcessorTime:
    """Plug-in that measures every phase of a test in its worker, and sums up in the terminal."""

    def __init__(self, count):
        """count: of files and of tests that are shown."""
        self.count, self.files, self.tests, self.begun = count, Counter(), Counter(), spent()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item, call):
        report, now = (yield), spent()
        report.user_properties.append((NAME, now - self.begun))
        self.begun = now
        return report

    def pytest_collection_finish(self):
        self.begun = spent()

    def pytest_runtest_logreport(self, report):
        seconds = sum(value for name, value in report.user_properties if name == NAME)
        self.files[report.nodeid.partition("::")[0]] += seconds
        self.tests[report.nodeid] += seconds

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section(f"processor time: {self.files.total():.0f} s, without collection")
        for found in (self.files, self.tests):
            for name, seconds in found.most_common(self.count):
                terminalreporter.line(f"{seconds:7.2f} s  {name}")
