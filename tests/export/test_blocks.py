"""Results per block: sums over voxels by hand, times by straight lines, and the round trip."""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import call
from helpers.quick_flags import quick_backend

from ekm3d import Case, Simulation
from ekm3d.case.block_files import read_blocks
from ekm3d.case.schema_ore_files import BlockModelEntry
from ekm3d.export.blocks import time_to
from ekm3d.view.run import Run

DATA = Path(__file__).resolve().parents[1] / "data" / "ore_files"
TEXT = """
[grid]
size = ["20 m", "20 m", "2 m"]
spacing = ["5 m", "10 m", "2 m"]
[[block_model]]
name = "resource"
file = "datamine.csv"
origin = ["250000 m", "4800000 m", "100 m"]
missing = ["-"]
[ore]
density = { block_model = "resource", column = "DENSITY", unit = "t/m3" }
porosity = 0.45
water_content = 0.4
tortuosity = 0.5
permeability = "1e-4 m/s"
[ore.exchangeable]
"La+3" = { block_model = "resource", column = "LA", unit = "ppm", fill = 0 }
[chemistry]
database = "package"
components = ["H+", "Na+", "La+3", "Cl-"]
minerals = []
[water]
composition = { "Na+" = "100 mmol/l", "Cl-" = "100 mmol/l" }
[[side]]
face = "x-"
flux = "1e-5 m/s"
composition = { "Na+" = "300 mmol/l", "Cl-" = "300 mmol/l" }
[[side]]
face = "x+"
head = "0 m"
[[schedule.stage]]
name = "wash"
duration = "200 h"
[output]
snapshot_every = "50 h"
precision = "float64"
"""


@pytest.fixture(scope="module")
def washed(tmp_path_factory):
    """A case of four blocks, through which salt water is washed, with its results."""
    case = tmp_path_factory.mktemp("washed") / "case"
    shutil.copytree(DATA, case)
    (case / "case.toml").write_text(TEXT)
    Simulation(Case.read(case), backend=quick_backend()).run(out=case / "out", quiet=True)
    return case


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_times_lie_on_straight_lines():
    """100 to 60 to 20: half has left at 10 + 10 x 10/40 = 12.5 h, 90 % never; nothing: never."""
    held = np.array([[100.0, 0.0], [60.0, 0.0], [20.0, 0.0]])
    found = time_to(0.5, np.array([0.0, 10.0, 20.0]), held)
    assert found[0] == pytest.approx(12.5) and np.isnan(found[1])
    assert np.isnan(time_to(0.9, np.array([0.0, 10.0, 20.0]), held)).all()


@pytest.mark.filterwarnings("ignore:__array_wrap__")         # of the packages under omf
def test_export_tells_what_was_removed_from_every_block(capsys, washed, tmp_path):
    """Block sums against those of the whole run; the columns of the file stand as they were."""
    pytest.importorskip("omf")
    parquet = pytest.importorskip("pyarrow.parquet")
    code, text, _ = call(capsys, "export", washed, "--to", "csv,parquet,omf", "--out", tmp_path)
    assert code == 0 and len(text.splitlines()) == 3
    table = rows(tmp_path / "blocks_resource.csv")
    with (DATA / "datamine.csv").open(encoding="utf-8") as file:
        for given, row in zip(csv.DictReader(file), table, strict=True):
            assert {key: row[key] for key in given} == given
    run = Run.of(washed)
    start = sum(float(row["REE_start_kg"]) for row in table)
    left = sum(float(row["REE_left_kg"]) for row in table)
    mass = run.summary["ore_kg"]
    assert sum(float(row["dry_ore_t"]) for row in table) == pytest.approx(1e-3 * mass, rel=1e-8)
    assert start == pytest.approx(1e-6 * mass * run.summary["REE_initial_mg_per_kg"], rel=1e-6)
    removed = sum(float(row["REE_removed_kg"]) for row in table)
    assert removed == pytest.approx(start - left, rel=1e-7) and removed > 0.01 * start
    assert table[0]["REE_start_mg_per_kg"].startswith("412.5")
    assert table[2]["REE_start_kg"] == "0" and table[2]["REE_removed_percent"] == ""
    # the two halves of a block across two voxels of 5 m, in one each
    assert all(float(row["in_grid_percent"]) == pytest.approx(100) for row in table)
    again = parquet.read_table(tmp_path / "blocks_resource.parquet").to_pydict()
    assert again["REE_left_kg"] == pytest.approx([float(r["REE_left_kg"]) for r in table], rel=1e-8)
    assert again["ROCK"] == [row["ROCK"] for row in table]


@pytest.mark.filterwarnings("ignore:__array_wrap__")
def test_exported_files_are_read_again_as_block_models(capsys, washed, tmp_path):
    """Round trip: places, sizes, grades of CSV and Parquet as of the model that was read."""
    pytest.importorskip("pyarrow")
    assert call(capsys, "export", washed, "--to", "csv,parquet", "--out", tmp_path)[0] == 0
    first = read_blocks(DATA / "datamine.csv", entry("datamine.csv"))
    for name in ("blocks_resource.csv", "blocks_resource.parquet"):
        blocks = read_blocks(tmp_path / name, entry(name))
        np.testing.assert_array_equal(blocks.centres, first.centres)
        np.testing.assert_array_equal(blocks.sizes, first.sizes)
        np.testing.assert_array_equal(blocks.columns.numbers("LA", ["-", ""]),
                                      first.columns.numbers("LA", ["-"]))
        assert blocks.columns.numbers("REE_end_mg_per_kg")[0] < 412.5


@pytest.mark.filterwarnings("ignore:__array_wrap__")
def test_omf_is_a_volume_where_blocks_are_regular(capsys, washed, tmp_path):
    """Sub-blocks are points; the regular model is a volume, read back with its values."""
    omf = pytest.importorskip("omf")
    assert call(capsys, "export", washed, "--to", "omf", "--out", tmp_path)[0] == 0
    points = omf.OMFReader(str(tmp_path / "blocks_resource.omf")).get_project().elements[0]
    assert type(points).__name__ in ("PointSetElement", "VolumeElement")
    case = tmp_path / "regular"
    shutil.copytree(washed, case, ignore=shutil.ignore_patterns("out"))
    text = TEXT.replace("datamine.csv", "vulcan.csv").replace('missing = ["-"]', "missing = [-99]")
    text = text.replace('"DENSITY"', '"density"').replace('"LA"', '"la"').replace("200 h", "1 h")
    (case / "case.toml").write_text(text)
    Simulation(Case.read(case), backend=quick_backend()).run(out=case / "out", quiet=True)
    assert call(capsys, "export", case, "--to", "omf,csv")[0] == 0
    blocks = read_blocks(case / "out" / "blocks_resource.omf", entry("x.omf"))
    table = rows(case / "out" / "blocks_resource.csv")
    order = np.lexsort((blocks.centres[:, 0], blocks.centres[:, 1]))
    assert blocks.centres[order][:, :2].tolist() == [
        [float(r["centroid_x"]), float(r["centroid_y"])] for r in table]
    assert blocks.columns.numbers("REE_start_kg")[order] == pytest.approx(
        [float(r["REE_start_kg"]) for r in table], rel=1e-8)


def entry(file):
    return BlockModelEntry.model_validate({"name": "m", "file": file})


def test_export_refuses_by_name(capsys, washed, small_run, tmp_path):
    for words, message in (
            ((washed, "--to", "xls"), "'xls' is no format; there are csv, parquet, omf"),
            ((washed, "--model", "resourse"), "did you mean 'resource'?"),
            ((small_run,), "the case has no [[block_model]]"),
            ((washed, "--case", tmp_path), "no case.toml there"),
            ((tmp_path,), "holds no fields.vtkhdf")):
        code, text, errors = call(capsys, "export", *words)
        assert (code, text) == (2, "") and message in errors, errors


def test_export_writes_nothing_where_a_format_lacks_its_package(
        capsys, washed, tmp_path, monkeypatch):
    """Told before the first file of several."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, errors = call(capsys, "export", washed, "--to", "csv,parquet",
                           "--out", tmp_path / "mine")
    assert code == 2 and 'pip install "ekm3d[geo]"' in errors
    assert not (tmp_path / "mine").exists()


def test_export_warns_of_a_file_that_has_changed(capsys, washed, tmp_path):
    case = tmp_path / "case"
    shutil.copytree(washed, case)
    (case / "datamine.csv").write_text((case / "datamine.csv").read_text().replace("412.5", "400"))
    code, _, errors = call(capsys, "export", case)
    assert code == 0 and "datamine.csv has changed since the run" in errors


def test_report_shows_what_was_read(capsys, washed, tmp_path):
    pytest.importorskip("jinja2", reason="pip install 'ekm3d[viz]'")
    assert call(capsys, "report", washed, "--out", tmp_path / "r.html")[0] == 0
    page = (tmp_path / "r.html").read_text()
    assert "what the grid holds of them" in page and "LA, metal" in page
    assert "read from the mine" in (washed / "out" / "log.txt").read_text()
    assert Run.of(washed).summary["block_model_difference"] < 1e-9


def test_a_case_that_extends_another_has_its_block_model_there(tmp_path, capsys, washed):
    """The table lies beside the other case.toml, or where -o names it: both are found again."""
    (tmp_path / "base").mkdir()
    shutil.copy(washed / "case.toml", tmp_path / "base")
    shutil.copy(washed / "datamine.csv", tmp_path / "base")
    (tmp_path / "child").mkdir()
    (tmp_path / "child" / "case.toml").write_text('extends = "../base"\ntitle = "child"\n')
    shutil.copy(washed / "datamine.csv", tmp_path / "mine.csv")
    for change in ((), (f"block_model.0.file={tmp_path / 'mine.csv'}",)):
        case = Case.read(tmp_path / "child", ("schedule.stage.0.duration=2 h", *change))
        Simulation(case, "numpy").run(out=tmp_path / "child" / "out", quiet=True, force=True)
        code, text, errors = call(capsys, "export", tmp_path / "child")
        assert code == 0 and text.strip().endswith("blocks_resource.csv"), errors
