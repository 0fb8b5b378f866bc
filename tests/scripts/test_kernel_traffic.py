"""Table of kernels/traffic.md: it is that of the code, and its numbers follow from declarations."""

import importlib

import pytest
from helpers.case_files import ROOT


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "tools"))
    return importlib.import_module("kernel_traffic")


def test_the_tables_are_up_to_date(script):
    """Run python scripts/tools/all_tables.py and commit kernels/traffic.md if this fails."""
    pages = importlib.import_module("reference_tables")
    assert pages.main(["--check"], script.PAGE, script.TABLES) == 0


def test_bytes_follow_from_the_declaration(script):
    """smooth_and_sum reads 3 + 4 arrays in float32, writes one and 8 B for 32 voxels; prolong a
    coarse array, of an eighth of the voxels, and one of its own."""
    backend = script.Recorder("test")
    backend.kernel("solvers/multigrid.cu", "smooth_and_sum")
    backend.kernel("solvers/multigrid.cu", "prolong")
    assert script.traffic_of_all(backend) == {"smooth_and_sum": (28.0, 4.25),
                                              "prolong": (0.5, 4.0)}


def test_calls_of_a_large_block_have_its_levels(script):
    """Two operators are coarsened on all levels, 14 cycles take 4/3 of their first level."""
    calls = script.calls_of_a_step({"scale_operator": 2, "residual": 2, "small_cycle": 14})
    assert calls["invert_diagonal"] == pytest.approx(16 / 7) and calls["small_cycle"] == 0
    assert calls["smooth"] == pytest.approx(56 / 3) and calls["residual"] == 2
