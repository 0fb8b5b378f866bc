"""Examples of the guide: the Python in cases/guide is run as it stands, on a small block."""

import re
import shutil

import pytest
from helpers.case_files import ROOT

from ekm3d import Case, Simulation

PAGE = ROOT / "cases" / "guide" / "paraview_and_python.md"
COARSE = ("grid.spacing=25 cm", "schedule.stage.0.duration=13 h", "schedule.stage.1.duration=1 h",
          "schedule.stage.2.duration=1 h")


def blocks(page):
    """Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    """Reading results and stepping, in a copy of the cases on voxels of 25 cm; every line runs.

    The dataset needs the entry point of an installed package, the table pandas.
    """
    pytest.importorskip("pandas")
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("matplotlib").use("agg")
    if "ekm3d" not in xarray.backends.list_engines():
        pytest.skip("ekm3d is not installed, only imported")
    for name in ("field_block", "field_saturated"):
        shutil.copytree(ROOT / "cases" / name, tmp_path / "cases" / name,
                        ignore=shutil.ignore_patterns("out"))
    monkeypatch.chdir(tmp_path)
    Simulation(Case.read("cases/field_block", COARSE), "numpy").run(quiet=True)
    read = Case.read
    monkeypatch.setattr(Case, "read", lambda path: read(
        path, COARSE if path.endswith("field_block") else COARSE[:3]))      # of two stages
    found = {}
    for block in blocks(PAGE):
        exec(compile(block, str(PAGE), "exec"), found)
    assert found["block"]["pH"].sizes["time"] == 3 and found["pH"].shape == (8, 6, 8)
    assert found["sim"].state.time == 12 * 3600.0
    assert found["sim"].boundary_values.row_currents().max() == pytest.approx(1.5, rel=1e-6)
