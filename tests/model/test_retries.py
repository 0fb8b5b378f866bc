"""Steps that fail: repeated shorter, from the state before them, and counted.

The cause is a real one: Newton's method of the ore's chemistry is allowed few iterations and no
cold start, so that a step in which the acid moves far has no equilibrium, and a shorter one has.
"""

import csv
import json

import numpy as np
import pytest
from helpers import mpi, retry_ranks
from helpers.runs_in_pieces import assert_equal_results, in_pieces
from helpers.salt_block import salt_case

from ekm3d import Case, Simulation
from ekm3d.chemistry.voxel_solver import ChemistryError
from ekm3d.diagnostics.audits import LIMITS
from ekm3d.model import retries
from ekm3d.model.loop import Control
from ekm3d.output import checkpoints
from ekm3d.output.results import open_results

HOUR = ("schedule.stage.0.duration=60 min", "output.snapshot_every=30 min",
        "output.series_every=20 min")
REST = ("schedule.stage=[{name='rest', duration='40 min', anodes=['left'], cathodes=['right'], "
        "voltage='0 V'}, {name='drive', duration='20 min', anodes=['left'], cathodes=['right'], "
        "voltage='20 V'}]", 'well.0.composition={"Na+"="2 mmol/l", "SO4-2"="1 mmol/l"}', *HOUR[1:])


def limit(sim, steps=6):
    """Give Newton's method of the ore's voxels few iterations and no second way."""
    sim.catholytes.engine = type(sim.engine)(sim.chem, backend=sim.backend)
    sim.reactions.engine.newton_steps, sim.reactions.engine.rounds = steps, 0
    return sim


def run(folder, out, overrides=HOUR, steps=6, **control):
    sim = limit(Simulation(Case.read(folder, overrides), "numpy"), steps)
    return sim.run(folder / out, quiet=True, control=Control(**control))


@pytest.fixture
def folder(tmp_path):
    return salt_case(tmp_path)


def test_a_step_that_fails_is_repeated_shorter(folder):
    """Every repetition stands in the log once, rows and snapshots are as due, mass is kept.

    The contents are those of a run without the limit, but for its longer steps: a few per cent.
    """
    results = run(folder, "limited")
    count = results.summary["repeated_steps"]
    log = (folder / "limited" / "log.txt").read_text()
    assert count >= 2 and log.count("the step is repeated with at most") == count
    assert "no equilibrium found" in log and "at (0." in log
    assert np.allclose(results.series["time"], [0, 1 / 3, 2 / 3, 1])
    assert list(results.times) == [0.0, 1800.0, 3600.0]
    assert results.summary["mass_balance_max"] < 1e-12
    free = Simulation(Case.read(folder, HOUR), "numpy").run(folder / "free", quiet=True)
    assert free.summary["repeated_steps"] == 0 and free.summary["steps"] < results.summary["steps"]
    assert results.summary["charge_C"] == pytest.approx(free.summary["charge_C"], rel=0.02)


@pytest.mark.slow
def test_a_run_in_pieces_repeats_the_same_steps(folder):
    """Every step in a simulation of its own: the bits of the whole, repetitions included."""
    assert run(folder, "whole").summary["repeated_steps"] >= 2
    case = Case.read(folder, HOUR)
    assert in_pieces(case, "numpy", folder / "pieces", limit) >= 5
    assert_equal_results(folder / "whole", folder / "pieces")


def test_the_state_before_is_had_from_an_earlier_copy(folder, monkeypatch):
    """The supply is switched on after 40 min: one copy, at the start, or one at every step."""
    far = run(folder, "far", REST)
    assert far.summary["repeated_steps"] >= 1
    log = (folder / "far" / "log.txt").read_text()
    assert "t = 0.666667 h: no equilibrium" in log and "t = 0 h: no equilibrium" not in log
    monkeypatch.setattr(retries, "EVERY", 1)
    run(folder, "near", REST)
    assert_equal_results(folder / "far", folder / "near")


def test_what_no_shorter_step_mends_ends_with_the_state_before(folder):
    """Exit code 3, the place, a snapshot and a checkpoint of 40 min, from which a run goes on."""
    with pytest.raises(ChemistryError, match=r"no equilibrium found .* at \(0\.") as caught:
        run(folder, "out", REST, steps=2, checkpoint=3600.0)
    assert caught.value.exit_code == 3
    status = json.loads((folder / "out" / "status.json").read_text())
    assert status["state"] == "failed" and status["time_s"] == 2400.0
    assert open_results(folder / "out").times[-1] == 2400.0
    log = (folder / "out" / "log.txt").read_text()
    assert log.count("t = 0.666667 h: no equilibrium") == retries.ATTEMPTS
    count = log.count("the step is repeated")
    found = checkpoints.newest(folder / "out", pytest.fail)
    assert found.time == 2400.0 and found.facts["retries"]["count"] == count
    sim = Simulation(Case.read(folder, REST), "numpy")
    results = sim.run(folder / "out", quiet=True, control=Control(resumed=found))
    assert results.status["state"] == "done" and results.summary["time_h"] == 1.0
    assert results.summary["repeated_steps"] == count


def test_no_step_is_repeated_below_least_step(folder):
    """1e-3 of the 600 min of the stage: fewer attempts, and the message names the key."""
    longer = (REST[0].replace("'20 min'", "'600 min'"), *REST[1:], "schedule.least_step=1e-3")
    with pytest.raises(ChemistryError, match=r"below the 36 s of schedule\.least_step"):
        run(folder, "out", longer, steps=2)
    log = (folder / "out" / "log.txt").read_text()
    assert 0 < log.count("t = 0.666667 h: no equilibrium") < retries.ATTEMPTS
    lengths = [float(line.rpartition("at most ")[2].split()[0]) for line in log.splitlines()
               if "the step is repeated with" in line]
    assert min(lengths[-log.count("t = 0.666667 h: no equil"):]) >= 36.0


def test_an_audit_has_the_steps_since_the_last_row_repeated(folder, monkeypatch):
    """A limit that nothing meets: rows before it stand, the one that fails is written once."""
    monkeypatch.setattr(retries, "ROUNDS", 1)
    monkeypatch.setitem(LIMITS, "charge", LIMITS["charge"]._replace(warning=0.0, stop=1e-30))
    with pytest.raises(RuntimeError, match="error of charge"):
        run(folder, "out", (*HOUR, "schedule.stage.0.duration=20 min"), steps=25)
    log = (folder / "out" / "log.txt").read_text()
    assert log.count("the steps since then are repeated with at most 150 s") == 1
    with (folder / "out" / "series.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["step[1]"]) > 7 for row in rows] == [False, True]


def test_a_solver_that_runs_out_of_iterations_is_told_with_its_place(folder):
    """Rock that stores water: over 15 min the head of a voxel hangs on that of all others, over
    less on its own before. The solver is allowed one iteration less than the long step takes.
    """
    case = Case.read(folder, (
        "physics.potential=false", "physics.transport=false", "ore.storage='1e-3 1/m'",
        "schedule.max_step=15 min", "schedule.stage.0.duration=30 min",
        "output.series_every=30 min", "output.snapshot_every=30 min"))
    free, sim = (Simulation(case, "numpy") for _ in range(2))
    free.step()
    assert free.dt == 900.0
    sim.flow.elliptic.max_iterations = free.flow.iterations - 1
    results = sim.run(folder / "out", quiet=True)
    log = (folder / "out" / "log.txt").read_text()
    assert "head: conjugate gradients stopped" in log
    assert "the largest residual is in voxel (" in log
    count = results.summary["repeated_steps"]
    assert 1 <= count == log.count("the step is repeated") < 20
    assert results.summary["time_h"] == 0.5 and 3 <= results.summary["steps"] < 60


@pytest.mark.slow
def test_many_processes_repeat_the_same_steps(folder):
    """One has the voxel that fails; all go back, and end with the bits of one process."""
    program = mpi.TESTS / "helpers" / "retry_ranks.py"
    retry_ranks.main(folder, folder / "one")
    code, _, errors = mpi.run(3, program, folder, folder / "three")
    assert code == 0, errors
    assert open_results(folder / "one").summary["repeated_steps"] >= 2
    assert_equal_results(folder / "one", folder / "three")


def test_fixed_steps_stay_as_they_are(folder):
    """They are fixed for a reason, such as a study of their length."""
    with pytest.raises(ChemistryError):
        run(folder, "out", (*HOUR, "schedule.fixed_step=5 min"), steps=2)
    assert "repeated" not in (folder / "out" / "log.txt").read_text()
