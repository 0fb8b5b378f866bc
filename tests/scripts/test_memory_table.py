"""Table of ekm3d/memory.md: it is that of the code."""

import importlib

from helpers.case_files import ROOT


def script(monkeypatch, name):
    """A script of scripts/tools as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "tools"))
    return importlib.import_module(name)


def test_the_table_is_up_to_date(monkeypatch):
    """Run python scripts/tools/all_tables.py and commit ekm3d/memory.md if this fails."""
    table = script(monkeypatch, "memory_table")
    pages = script(monkeypatch, "reference_tables")
    assert pages.main(["--check"], table.PAGE, {"arrays": table.arrays}) == 0


def test_its_rows_add_up(monkeypatch):
    """The last row is the sum of the others, to their rounding of 0.05 bytes each."""
    *rows, last = [line.split("|")[1:3]
                   for line in script(monkeypatch, "memory_table").arrays().splitlines()[2:]]
    assert abs(sum(float(row[1]) for row in rows) - float(last[1])) < 0.05 * len(rows) + 0.5
