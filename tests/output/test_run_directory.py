"""Result directory of a run: its files, their protection, and runs that fail."""

import csv
import json
import os

import h5py
import numpy as np
import pytest
from helpers.salt_block import ORE, salt_case, simulation

from ekm3d import Case, Simulation, open_results
from ekm3d.errors import OutputError
from ekm3d.output import run_directory
from ekm3d.output.failed_writes import write_atomically
from ekm3d.output.run_directory import check_directory, table

KEYS = ("time_h steps wall_s energy_kWh charge_C current_start_A current_end_A leachate_L "
        "recovery_REE removal_REE_mean impurity_mg_per_kg nh4_added_mol residual_N_mg_per_kg "
        "mass_balance_max charge_balance_max faraday_error").split()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(simulation, its results) of 6 h of the ore case, snapshots every 3 h, series every 1 h."""
    folder = salt_case(tmp_path_factory.mktemp("run"))
    sim = Simulation(Case.read(folder, ORE), "numpy")
    return sim, sim.run(quiet=True)


@pytest.fixture(scope="module")
def folder(run):
    return run[1].directory


# --- contents ------------------------------------------------------------------------------

def test_a_run_leaves_its_files_and_its_mark(run, folder):
    """In CASE/out by default; no drafts are left behind."""
    assert folder == run[0].case.path / "out"
    assert {p.name for p in folder.iterdir()} - {"wells.vtp", "points.vtp"} == {
        ".ekm3d", "electrodes.vtp", "fields.vtkhdf", "fields.xdmf", "log.txt", "series.csv",
        "status.json", "summary.json"}


def test_vtk_reads_the_block_at_every_time(run, folder):
    """6 x 3 x 4 voxels are 7 x 4 x 5 points; 0, 3 and 6 h in seconds; the last is the state now.

    float32 in the file, so 1e-6 of the value; pH and phi differ in every voxel of ore.
    """
    hdf = pytest.importorskip("vtkmodules.vtkIOHDF", exc_type=ImportError,
                              reason="VTK's reader cannot be imported: pip install vtk")
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as pipeline

    sim, _ = run
    reader = hdf.vtkHDFReader()
    reader.SetFileName(str(folder / "fields.vtkhdf"))
    reader.UpdateInformation()
    key, information = pipeline.TIME_STEPS(), reader.GetOutputInformation(0)
    times = [information.Get(key, n) for n in range(information.Length(key))]
    assert times == pytest.approx([0.0, 10800.0, 21600.0])
    reader.UpdateTimeStep(times[-1])
    image = reader.GetOutput()
    assert image.GetDimensions() == (7, 4, 5)
    assert image.GetSpacing() == pytest.approx((0.1, 0.15, 0.2))

    def found(name):
        array = vtk_to_numpy(image.GetCellData().GetArray(name))
        return array.reshape(*sim.grid.shape, *array.shape[1:])

    inner, ore = sim.grid.inner, sim.electrodes.ore
    for name in ("pH", "phi", "head"):
        np.testing.assert_allclose(found(name)[ore], getattr(sim.state, name)[inner][ore],
                                   rtol=1e-6)
    free = sim.chem.index("LREE+3")
    water = sum(sim.chem.nu[n, free] * sim.state.c[n][inner] for n in range(len(sim.chem.species)))
    np.testing.assert_allclose(found("LREE_dissolved")[ore], water[ore], rtol=1e-6)
    assert (found("electrode_row") == 1).sum() == 4 and (found("electrode_row") == 2).sum() == 3
    total = found("LREE_dissolved") * 0.42 + found("LREE_exchanged") + found("LREE_solid")
    np.testing.assert_allclose(total[ore], sim.state.totals[free][inner][ore], rtol=1e-6)


def test_current_and_water_flux_in_the_file_equal_those_of_the_run(run):
    """A voxel's vector is the mean over its two faces: sections without electrode faces add up.

    At i = 2 and 3 everything passes that the anodes give: the sum of x components times the area
    of a face is the row's current, and the 2e-8 m3/s of the feed; float32: 1e-6.
    """
    sim, results = run
    current, flux = results.field("current_density"), results.field("water_flux")
    for i in (2, 3):
        passed = 0.15 * 0.2 * np.nansum(current[:, :, i, 0].astype(float))
        assert passed == pytest.approx(sim.boundary_values.row_currents()[0], rel=1e-6)
        assert 0.15 * 0.2 * np.nansum(flux[:, :, i, 0].astype(float)) == pytest.approx(
            2e-8, rel=1e-6)
    assert results.fields["current_density"] == "A/m2" and results.fields["water_flux"] == "m/s"


def test_series_has_units_in_its_header_and_a_row_every_hour(run, folder):
    """0 to 6 h; numbers all, but for Faraday's audit before any current; the summary's last row."""
    with (folder / "series.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert all(name.endswith("]") and "[" in name for name in header)
    assert all(len(row) == len(header) for row in rows)
    assert np.isfinite([[float(cell) for cell in row] for row in rows[1:]]).all()
    assert [name for name, cell in zip(header, rows[0], strict=True) if not cell] == [
        "faraday_error[1]"]
    series, units, summary = run[1].series, run[1].units, run[1].summary
    np.testing.assert_allclose(series["time"], range(7))
    assert (units["time"], units["energy"], units["recovery_REE"]) == ("h", "kWh", "1")
    for name, key in (("energy", "energy_kWh"), ("charge", "charge_C"),
                      ("leachate", "leachate_L"), ("recovery_REE", "recovery_REE"),
                      ("NH4_added", "nh4_added_mol"), ("mass_balance", "mass_balance_max"),
                      ("current_left", "current_end_A")):
        assert series[name][-1] == pytest.approx(summary[key], rel=1e-9), name
    assert (np.diff(series["charge"]) > 0).all() and series["step"][0] == 0


def test_the_summary_has_every_promised_key(run):
    """Plain numbers under flat names; the audits' are small, or the run is worth nothing."""
    summary = run[1].summary
    assert not set(KEYS) - set(summary)
    assert all(isinstance(v, (int, float, str)) for v in summary.values())
    assert all(np.isfinite(v) for v in summary.values() if not isinstance(v, str))
    assert summary["time_h"] == pytest.approx(6.0) and summary["steps"] == run[0].state.step
    assert summary["mass_balance_max"] < 1e-12 and summary["charge_balance_max"] < 1e-8
    assert summary["faraday_error"] < 1e-10


def test_the_log_has_the_case_and_the_summary(run, folder):
    text = (folder / "log.txt").read_text()
    for part in ("salt\nstarted 20", "backend numpy (asked for)", "6 x 3 x 4 = 72", "overpotential",
                 table(run[1].summary)):
        assert part in text


def test_the_status_is_running_from_the_first_second_and_done_at_the_end(run, tmp_path):
    run_directory.RunDirectory(run[0], tmp_path / "out")
    assert open_results(tmp_path / "out").status["state"] == "running"
    status = run[1].status
    assert status["state"] == "done" and status["time_s"] == pytest.approx(21600.0)
    assert status["of_s"] == 21600.0 and status["step"] == run[0].state.step


def test_fields_hold_their_provenance(run, folder):
    """Case text, overrides, versions and times, inside the file that gets passed around."""
    with h5py.File(folder / "fields.vtkhdf") as file:
        facts = dict(file["provenance"].attrs)
        text = file["provenance/case.toml"][()].decode()
    assert text == (folder.parent / "case.toml").read_text()
    assert json.loads(facts["overrides"]) == list(ORE) and facts["backend"] == "numpy"
    assert "numpy" in json.loads(facts["packages"]) and facts["host"]
    assert facts["started_utc"] <= facts["ended_utc"] and facts["ended_utc"].endswith("+00:00")
    assert "salt.toml" in json.loads(facts["case_files_sha256"])


# --- protection ---------------------------------------------------------------------------

def test_a_finished_run_is_left_alone_unless_forced(tmp_path):
    """Refused before anything is touched; forced, the new run has its files to itself."""
    case = Case.read(salt_case(tmp_path), ["schedule.stage.0.duration=20 min"])
    out = tmp_path / "results" / "of" / "mine"
    first = Simulation(case, "numpy").run(out, quiet=True)
    (out / "note.txt").write_text("the user's own")
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.iterdir()}
    with pytest.raises(OutputError, match="holds a finished run; give --force"):
        Simulation(case, "numpy").run(out, quiet=True)
    assert before == {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.iterdir()}
    shorter = Case.read(case.path, ["schedule.stage.0.duration=10 min"])
    second = Simulation(shorter, "numpy").run(out, force=True, quiet=True)
    assert first.directory == second.directory and second.times[-1] == 600.0
    assert len(second.series["time"]) == 2 and (out / "note.txt").read_text() == "the user's own"
    assert (out / "log.txt").read_text().count("started") == 1


def test_unwritable_paths_are_refused(tmp_path):
    """Below a file or in place of one: refused with the reason, nothing created."""
    (tmp_path / "file").write_text("text")
    for path, reason in ((tmp_path / "file", "is a file; --out takes a directory"),
                         (tmp_path / "file" / "out", "cannot write to .*file: Not a directory")):
        with pytest.raises(OutputError, match=reason):
            check_directory(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0,
                    reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="cannot write to .*locked: Permission denied"):
        check_directory(tmp_path / "locked" / "out")


def test_files_are_replaced_atomically(tmp_path, monkeypatch):
    """Readers of status.json find the old text or the new, never half of one."""
    path = tmp_path / "status.json"
    write_atomically(path, "old")

    def replace(draft, target):
        assert path.read_text() == "old" and draft.read_text() == "new" and target == path
        raise OSError("the machine dies here")

    monkeypatch.setattr(run_directory.os, "replace", replace)
    with pytest.raises(OSError, match="dies"):
        write_atomically(path, "new")
    assert path.read_text() == "old"


def test_a_failed_run_leaves_its_reason_and_may_be_repeated(tmp_path, monkeypatch):
    """Status "failed", reason and time; what was written until then can be opened; no summary."""
    case = Case.read(salt_case(tmp_path))
    sim, step = Simulation(case, "numpy"), Simulation.step

    def failing(self, until=None):
        if self.state.step == 15:
            raise RuntimeError("the potential did not converge")
        return step(self, until)

    monkeypatch.setattr(Simulation, "step", failing)
    with pytest.raises(RuntimeError, match="did not converge"):
        sim.run(quiet=True)
    monkeypatch.undo()
    results = open_results(case.path / "out")
    assert results.status["state"] == "failed" and results.status["step"] == 15
    assert results.status["reason"] == "the potential did not converge"
    assert results.status["time_s"] == sim.state.time
    assert "failed at t = 9000 s: the potential" in (results.directory / "log.txt").read_text()
    assert len(results.times) == 1 and len(results.series["time"]) == 3
    assert not (results.directory / "summary.json").exists()
    with pytest.raises(OutputError, match='not finished .its state is "failed".*--force'):
        Simulation(case, "numpy").run(quiet=True)
    assert Simulation(case, "numpy").run(quiet=True, force=True).status["state"] == "done"


def test_a_run_without_electrodes_has_a_full_summary(tmp_path):
    """Water through closed ore: no current, no rows, and every key of the summary still there."""
    sim = simulation(salt_case(tmp_path), "electrodes={overpotential=0, contact_resistance=0, "
                     "catholyte_volume=1}", "well=[]", "schedule.stage=[{name='rest', "
                     "duration='1 h'}]")
    summary = sim.run(quiet=True).summary
    assert not set(KEYS) - set(summary) and summary["charge_C"] == 0.0
    assert summary["faraday_error"] is None and summary["mass_balance_max"] < 1e-12
