"""Snapshots, provenance and results: what was written is what VTK, pyvista and Python read."""

import json
import shutil
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from helpers.vtkhdf_block import (
    CALCIUM,
    FLUX,
    GRID,
    LAYER,
    ORE,
    PHI,
    POROSITY,
    TIMES,
    block,
    static,
)

from ekm3d.backends.choose import choose_backend
from ekm3d.diagnostics.output_field import OutputField
from ekm3d.output import provenance
from ekm3d.output.results import ResultsError, open_results
from ekm3d.output.vtkhdf import Snapshots


@pytest.fixture
def snapshots(tmp_path):
    """A file with three snapshots, ready for more."""
    snapshots = Snapshots(tmp_path / "fields.vtkhdf", GRID, static(), [PHI, CALCIUM, FLUX])
    for n, time in enumerate(TIMES):
        snapshots.append(time, block(n))
    return snapshots


@pytest.fixture
def path(snapshots):
    """The path of that file."""
    return snapshots.path


def stored(array):
    """The array in the file's precision."""
    return np.asarray(array, "f4")


# ---- other programs' readers -----------------------------------------------------------------

def vtk_reader(path):
    """VTK's own reader of this format; its times."""
    hdf = pytest.importorskip("vtkmodules.vtkIOHDF", exc_type=ImportError,
                              reason="VTK's reader cannot be imported: pip install vtk")
    reader = hdf.vtkHDFReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    information = reader.GetOutputInformation(0)
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as pipeline
    key = pipeline.TIME_STEPS()
    return reader, [information.Get(key, n) for n in range(information.Length(key))]


def vtk_array(image, name):
    """A cell array of a VTK image as (nz, ny, nx[, 3])."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    array = vtk_to_numpy(image.GetCellData().GetArray(name))
    return array.reshape(*GRID.shape, *array.shape[1:])


def test_vtk_reads_values_times_and_geometry(path):
    """Cells nx ny nz are points nx + 1, ...; every number comes back in float32, unmoved."""
    reader, times = vtk_reader(path)
    assert times == list(TIMES)
    for n in (2, 0, 1):
        reader.UpdateTimeStep(TIMES[n])
        image = reader.GetOutput()
        assert image.GetDimensions() == (6, 5, 4)
        assert image.GetSpacing() == GRID.spacing
        assert image.GetOrigin() == GRID.origin
        for name, array in block(n).items():
            assert np.array_equal(vtk_array(image, name), stored(array)), (name, n)


def test_vtk_finds_static_fields_at_every_time(path):
    """Stored once (one row), shown at all three steps: masks as bytes, numbers as integers."""
    with h5py.File(path) as file:
        for field in static():
            assert len(file["VTKHDF/CellData"][field.name]) == 1
            assert list(file["VTKHDF/Steps/CellDataOffsets"][field.name]) == [0, 0, 0]
    reader, times = vtk_reader(path)
    for time in times:
        reader.UpdateTimeStep(time)
        for field, array in static().items():
            wanted = array if array.dtype.kind in "bi" else stored(array)
            assert np.array_equal(vtk_array(reader.GetOutput(), field.name), wanted)


def test_a_probe_at_a_point_finds_the_voxel_there(path):
    """The value of phi at the centre of voxel i, j, k = 3, 1, 2, asked for by its coordinates.

    phi = x + 10 y + 100 z there is 1.35 - 17 + 1125: coordinates and indices agree in VTK.
    """
    reader, _ = vtk_reader(path)
    reader.UpdateTimeStep(0.0)
    image = reader.GetOutput()
    point = (1.0 + 3.5 * 0.1, -2.0 + 1.5 * 0.2, 10.0 + 2.5 * 0.5)
    ijk, inside = [0, 0, 0], [0.0, 0.0, 0.0]
    assert image.ComputeStructuredCoordinates(point, ijk, inside) == 1
    assert ijk == [3, 1, 2]
    cell = image.ComputeCellId(ijk)
    assert image.GetCellData().GetArray("phi").GetValue(cell) == pytest.approx(1109.35, rel=1e-6)


def test_pyvista_reads_the_file_by_its_name(path):
    """*.vtkhdf is what pyvista and ParaView map to the right reader."""
    pyvista = pytest.importorskip("pyvista", exc_type=ImportError,
                                  reason="pyvista cannot be imported: pip install 'ekm3d[viz]'")
    reader = pyvista.get_reader(str(path))
    reader.reader.UpdateInformation()
    assert reader.reader.GetNumberOfSteps() == 3
    reader.reader.SetStep(1)
    image = reader.read()
    assert tuple(image.dimensions) == (6, 5, 4)
    phi, flux = block(1)["phi"], block(1)["water_flux"]
    assert np.array_equal(image.cell_data["phi"].reshape(GRID.shape), stored(phi))
    assert np.array_equal(image.cell_data["water_flux"].reshape(*GRID.shape, 3), stored(flux))


def test_a_file_without_snapshots_is_already_readable(tmp_path):
    """A viewer may be opened before the first snapshot: no step, and no crash."""
    Snapshots(tmp_path / "fields.vtkhdf", GRID, static(), [PHI])
    with h5py.File(tmp_path / "fields.vtkhdf") as file:
        assert file["VTKHDF/Steps"].attrs["NSteps"] == 0
    assert vtk_reader(tmp_path / "fields.vtkhdf")[1] == []


# ---- crashes and onlookers -------------------------------------------------------------------

def test_a_half_written_step_is_invisible_and_written_over(snapshots, path):
    """The process dies when the fields are on the disk and the time is not, as by kill -9.

    VTK goes on seeing three steps; the run, started again, writes the fourth where it was cut.
    """
    code = f"""
        import os, sys
        from pathlib import Path
        sys.path[:0] = {sys.path!r}
        import h5py
        from helpers import vtkhdf_block as t
        from ekm3d.output.vtkhdf import Snapshots
        flush = h5py.File.flush
        h5py.File.flush = lambda file: (flush(file), os._exit(9))
        snapshots = Snapshots(Path({str(path)!r}).with_name("other"), t.GRID, {{}},
                                [t.PHI, t.CALCIUM, t.FLUX])
        snapshots.path = Path({str(path)!r})
        snapshots.append(7200.0, t.block(9))"""
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 9
    with h5py.File(path) as file:
        assert len(file["VTKHDF/CellData/phi"]) == 4
        assert len(file["VTKHDF/Steps/Values"]) == file["VTKHDF/Steps"].attrs["NSteps"] == 3
    reader, times = vtk_reader(path)
    assert times == list(TIMES)
    reader.UpdateTimeStep(TIMES[-1])
    assert np.array_equal(vtk_array(reader.GetOutput(), "phi"), stored(block(2)["phi"]))
    snapshots.append(7300.0, block(3))
    reader, times = vtk_reader(path)
    assert times == [*TIMES, 7300.0]
    reader.UpdateTimeStep(7300.0)
    assert np.array_equal(vtk_array(reader.GetOutput(), "phi"), stored(block(3)["phi"]))


def test_someone_looking_on_does_not_stop_the_run(snapshots, path):
    """Another process holds the file open, with HDF5's shared lock, while a snapshot is added."""
    watcher = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(f"""
            import h5py, sys
            file = h5py.File({str(path)!r}, "r")
            print("open", flush=True)
            sys.stdin.read()""")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert watcher.stdout.readline() == "open\n"
        snapshots.append(7200.0, block(3))
    finally:
        watcher.communicate("")
    assert list(open_results(path.parent).times) == [*TIMES, 7200.0]


def test_a_file_that_cannot_be_made_leaves_nothing(tmp_path):
    """The second static field has a wrong shape: no file, no draft; an older file stays."""
    (tmp_path / "fields.vtkhdf").write_text("an older result")
    with pytest.raises(ValueError, match=r"'porosity' has shape \(2, 2\)"):
        Snapshots(tmp_path / "fields.vtkhdf", GRID, {ORE: static()[ORE],
                                                     POROSITY: np.ones((2, 2))}, [PHI])
    assert [p.name for p in tmp_path.iterdir()] == ["fields.vtkhdf"]
    assert (tmp_path / "fields.vtkhdf").read_text() == "an older result"


@pytest.mark.parametrize("change, message", [
    ({"phi": np.zeros(GRID.shape[::-1])}, r"'phi' has shape \(5, 4, 3\), it should be \(3, 4, 5\)"),
    ({"water_flux": np.zeros((3, *GRID.shape))}, "'water_flux' has shape"),
    ({"pH": np.zeros(GRID.shape)}, r"undeclared \['pH'\]"),
])
def test_a_wrong_snapshot_is_refused_and_the_file_stays(snapshots, path, change, message):
    """Checked before the file is touched."""
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        snapshots.append(7200.0, block(3) | change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name, message", [("c/Ca", "without '/'"), ("phi", "declared twice")])
def test_names_that_no_reader_can_tell_are_refused(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        Snapshots(tmp_path / "fields.vtkhdf", GRID, {}, [PHI, OutputField(name, "1", "")])


# ---- what the file says about itself ---------------------------------------------------------

def test_every_field_states_its_unit_and_meaning(path):
    """Attributes of each dataset, readable without this program."""
    with h5py.File(path) as file:
        for field in (ORE, POROSITY, LAYER, PHI, CALCIUM, FLUX):
            attributes = file["VTKHDF/CellData"][field.name].attrs
            assert attributes["units"] == field.unit
            assert attributes["long_name"] == field.meaning
        assert file["VTKHDF/Steps/Values"].attrs["units"] == "s"


def test_the_layout_is_the_one_that_most_readers_know(path):
    """Version 2.0, a fixed ASCII type, gzip with shuffle, and HDF5's default file version.

    libver "latest" needs HDF5 2.0 to read, VTK carries 1.14; its superblock would be 3.
    """
    with h5py.File(path) as file:
        root = file["VTKHDF"]
        assert list(root.attrs["Version"]) == [2, 0]
        assert root.attrs.get_id("Type").dtype == np.dtype("S9")
        assert list(root.attrs["WholeExtent"]) == [0, 5, 0, 4, 0, 3]
        for name, data in root["CellData"].items():
            assert (data.compression, data.compression_opts, data.shuffle) == ("gzip", 1, True)
            assert data.dtype == {"ore": "u1", "layer": "i4"}.get(name, "f4")
    assert path.read_bytes()[8] == 0


def test_provenance_tells_program_case_machine_and_times(path, tmp_path):
    """Written at the start, and again with the end's time; the case's text in full."""
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "points.csv").write_text("x,y\n")
    text = "title = 'x'\n" + "# a comment\n" * 10_000          # above the 64 kB of an attribute
    case = SimpleNamespace(path=folder, text=text, overrides=("grid.spacing=5 cm",))
    backend = choose_backend("numpy")
    started = provenance.now()
    provenance.write_provenance(path, case, backend, started)
    provenance.write_provenance(path, case, backend, started, ended="2031-05-06T07:08:09+00:00")
    with h5py.File(path) as file:
        facts = dict(file["provenance"].attrs)
        assert file["provenance/case.toml"].asstr()[()] == text
    assert facts["ekm3d"] == provenance.__version__
    assert json.loads(facts["overrides"]) == ["grid.spacing=5 cm"]
    assert json.loads(facts["packages"])["numpy"] == np.__version__
    assert list(json.loads(facts["case_files_sha256"])) == ["points.csv"]
    assert facts["backend"] == "numpy" and facts["backend_why"] == "asked for"
    assert facts["started_utc"] == started and started.endswith("+00:00")
    assert facts["ended_utc"] == "2031-05-06T07:08:09+00:00"
    assert facts["host"]
    assert len(vtk_reader(path)[1]) == 3                       # and ParaView does not mind


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@needs_git
def test_only_the_programs_own_checkout_counts(tmp_path, monkeypatch):
    """A package installed within a repository of something else has no commit of its own."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "venv" / "ekm3d" / "provenance.py"))
    (tmp_path / "venv").mkdir()
    assert provenance.checkout() == ("", False)


@needs_git
def test_a_checkout_is_named_by_commit_and_whether_it_was_changed(tmp_path, monkeypatch):
    """Clean after a commit, dirty once a tracked file has changed."""
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b",
                        *words], check=True, capture_output=True)

    (tmp_path / "ekm3d").mkdir()
    (tmp_path / "ekm3d" / "provenance.py").write_text("1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "one")
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "ekm3d" / "provenance.py"))
    commit, dirty = provenance.checkout()
    assert len(commit) == 40 and not dirty
    (tmp_path / "ekm3d" / "provenance.py").write_text("2\n")
    assert provenance.checkout() == (commit, True)


# ---- results ---------------------------------------------------------------------------------

def test_results_read_fields_back(path):
    results = open_results(path.parent)
    assert list(results.times) == list(TIMES)
    assert results.grid == GRID
    assert results.fields["c_Ca+2"] == "mol/m3" and results.fields["ore"] == "1"
    for n in (0, 1, 2):
        for name, array in block(n).items():
            assert np.array_equal(results.field(name, n), stored(array))
        assert np.array_equal(results.field("ore", n), static()[ORE])
    assert np.array_equal(results.field("phi"), stored(block(2)["phi"]))
    assert "3 snapshots" in repr(results)


def test_results_read_series_summary_and_status(path):
    """Units leave the header for `units`; an empty cell is NaN; a line cut short is left out."""
    (path.parent / "series.csv").write_text(
        "time[h],current row 1 [A],recovery_REE[1],pH\n0,1.5,0,\n1,1.25,0.01,4.5\n2,1.2")
    (path.parent / "summary.json").write_text('{"time_h": 264, "recovery_REE": 0.5}')
    (path.parent / "status.json").write_text('{"state": "finished"}')
    results = open_results(path.parent)
    assert results.units == {"time": "h", "current row 1": "A", "recovery_REE": "1", "pH": ""}
    assert list(results.series["time"]) == [0, 1]
    assert list(results.series["current row 1"]) == [1.5, 1.25]
    assert np.isnan(results.series["pH"][0]) and results.series["pH"][1] == 4.5
    assert results.summary == {"time_h": 264, "recovery_REE": 0.5}
    assert results.status["state"] == "finished"


@pytest.mark.parametrize("ask, message", [
    (lambda r: r.field("Phi"), "no field 'Phi'; did you mean 'phi'"),
    (lambda r: r.field("zzzz"), "no field 'zzzz'; there are c_Ca"),
    (lambda r: r.field("phi", 3), "no snapshot 3; there are 3"),
    (lambda r: r.field("phi", -4), "no snapshot -4; there are 3"),
    (lambda r: r.summary, "summary.json does not exist: the run has not come that far"),
    (lambda r: r.series, "series.csv does not exist or is empty"),
])
def test_what_is_not_there_is_named(path, ask, message):
    with pytest.raises(ResultsError, match=message):
        ask(open_results(path.parent))


def test_a_damaged_summary_or_series_is_named(path):
    (path.parent / "summary.json").write_text("{")
    (path.parent / "series.csv").write_text("time[h]\nsoon\n")
    with pytest.raises(ResultsError, match="summary.json is not JSON"):
        open_results(path.parent).summary
    with pytest.raises(ResultsError, match="column 'time': could not convert.*'soon'"):
        open_results(path.parent).series


def test_a_directory_without_results_is_refused_with_a_hint(path, tmp_path):
    """Nothing there; nothing run yet; or the case directory was meant by its out/."""
    with pytest.raises(ResultsError, match="no such directory"):
        open_results(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError, match="run `ekm3d run CASE` first"):
        open_results(tmp_path / "empty")
    (tmp_path / "case" / "out").mkdir(parents=True)
    path.rename(tmp_path / "case" / "out" / "fields.vtkhdf")
    with pytest.raises(ResultsError, match="did you mean .*case/out"):
        open_results(tmp_path / "case")
