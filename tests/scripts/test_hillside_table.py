"""The script of the tables of `cases/hillside`: also of a run from which nothing has come yet."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "tools"))

import hillside_table


def test_what_a_run_does_not_know_is_told():
    """No energy per kg where no rare earths came, so None; it ended with a traceback."""
    assert hillside_table.cell(None, 100.0) == "not known"
    assert hillside_table.cell(0.10512, 100.0) == "10.5"
