"""Results that a forced run replaces: there until it has worked, back where it does not."""

import json
import os

import pytest
from helpers.runs_in_pieces import command
from helpers.salt_block import salt_case

from ekm3d import Case, Simulation
from ekm3d.chemistry.voxel_solver import ChemistryError
from ekm3d.cli.main import main
from ekm3d.errors import OutputError
from ekm3d.model.interruption import Interrupted
from ekm3d.model.loop import Control
from ekm3d.output import checkpoints, earlier_results
from ekm3d.output.directory_check import check_directory
from ekm3d.output.earlier_results import ASIDE

SHORT = ("schedule.stage.0.duration=20 min", "output.snapshot_every=10 min",
         "output.series_every=10 min")


@pytest.fixture
def folder(tmp_path):
    """A case with a finished run, and beside it a file of the user's."""
    case = salt_case(tmp_path)
    simulation(case).run(case / "out", quiet=True)
    (case / "out" / "notes.txt").write_text("mine")
    return case


def simulation(folder, *overrides):
    return Simulation(Case.read(folder, (*SHORT, *overrides)), "numpy")


def facts(out):
    return json.loads((out / "summary.json").read_text())


def test_the_old_results_are_there_until_the_new_run_is_done(folder):
    """Stopped after a step: both; resumed to its end: the new ones alone. The user's file stays."""
    out = folder / "out"
    old = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    new = ("schedule.stage.0.voltage=10 V",)
    with pytest.raises(Interrupted):
        simulation(folder, *new).run(out, force=True, quiet=True, control=Control(max_hours=1e-12))
    for name in ("summary.json", "series.csv", "fields.vtkhdf", "log.txt", "status.json"):
        assert (out / ASIDE / name).read_bytes() == old[name]
    with pytest.raises(OutputError, match="not finished"):
        check_directory(out)
    simulation(folder, *new).run(
        out, quiet=True, control=Control(resumed=checkpoints.newest(out, pytest.fail)))
    assert not (out / ASIDE).exists() and (out / "notes.txt").read_text() == "mine"
    assert facts(out)["charge_C"] != json.loads(old["summary.json"])["charge_C"]


def test_a_run_that_fails_in_its_first_step_gives_the_old_results_back(folder, capsys):
    """Byte for byte, and says so; so does one that cannot even begin to write."""
    out = folder / "out"
    old = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    sim = simulation(folder)
    sim.reactions.engine.newton_steps, sim.reactions.engine.rounds = 0, 0
    with pytest.raises(ChemistryError):
        sim.run(out, force=True, quiet=True)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == old
    assert not (out / ASIDE).exists() and "are there again" in capsys.readouterr().err


def test_a_second_forced_run_keeps_the_finished_one_not_the_partial(folder):
    """The run that replaces a finished one is killed; the next one replaces the partial one."""
    out = folder / "out"
    old = facts(out)
    for _ in range(2):
        with pytest.raises(Interrupted):
            simulation(folder).run(out, force=True, quiet=True, control=Control(max_hours=1e-12))
        assert facts(out / ASIDE) == old


def test_results_that_a_killed_process_was_moving_come_back(folder, monkeypatch):
    """Killed after each of the moves: the next forced run finds all of them, and keeps them."""
    out = folder / "out"
    old = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    rename, count = os.rename, [0]

    def killed(*names):
        count[0] -= 1
        if count[0] < 0:
            raise KeyboardInterrupt
        rename(*names)

    for moves in range(6):
        count[0] = moves
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(earlier_results.os, "rename", killed)
            earlier_results.set_aside(out)
        earlier_results.set_aside(out)
        assert {path.name: path.read_bytes() for path in (out / ASIDE).iterdir()
                } == {name: old[name] for name in earlier_results.FILES if name in old}
        assert earlier_results.bring_back(out)
        assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == old


def test_a_process_that_is_killed_leaves_both_and_status_says_so(folder, capsys):
    """kill -9 during a long run; `ekm3d status` names the old results."""
    job = command("run", folder, "--force", "--quiet", "--backend", "numpy",
                  "-o", "schedule.max_step=5 s")
    while not (folder / "out" / ASIDE).exists() or not (
            folder / "out" / "status.json").exists():
        assert job.poll() is None
    job.kill()
    job.communicate()
    assert main(["status", str(folder / "out")]) == 0
    assert "keeps the finished run that this one replaces" in capsys.readouterr().out
