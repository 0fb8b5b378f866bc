"""Second time: a Simulation run twice, two of one case, in turns, in threads, in processes."""

import json
import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.case_files import ROOT, copy, told
from helpers.command_line import call
from helpers.quick_flags import quick_backend

from ekm3d.case.case import Case
from ekm3d.errors import InputError, OutputError
from ekm3d.model.simulation import Simulation
from ekm3d.output.run_owner import begun

SALT = ROOT / "tests" / "data" / "case_salt"
SHORT = ["schedule.stage.0.duration=30 min"]


@pytest.fixture
def case(tmp_path):
    return copy(tmp_path, SALT)


def last(sim):
    """The state after three steps, as bytes."""
    while sim.state.time < 1800.0:
        sim.step(1800.0)
    return np.asarray(sim.state.c).tobytes(), np.asarray(sim.state.phi).tobytes()


def alone(case, backend="numpy"):
    """The state of a Simulation that nothing else has touched, of a Case of its own."""
    return last(Simulation(Case.read(case, SHORT), backend))


def test_a_second_run_of_a_simulation_is_refused(case, tmp_path):
    """It would begin at the end: 0 C and 0 kWh in a summary of the whole time."""
    sim = Simulation(Case.read(case, SHORT), quick_backend())
    first = sim.run(tmp_path / "a", quiet=True).summary
    with pytest.raises(InputError, match=r"advanced to t = 1800 s.*make another, Simulation\(case"):
        sim.run(tmp_path / "b", quiet=True)
    assert not (tmp_path / "b").exists()
    again = Simulation(sim.case, quick_backend()).run(tmp_path / "b", quiet=True).summary
    assert {**first, "wall_s": 0} == {**again, "wall_s": 0} and first["charge_C"] > 0


def test_a_run_after_a_step_is_refused(case, tmp_path):
    """The charge of the step would be missing."""
    sim = Simulation(Case.read(case, SHORT), quick_backend())
    sim.step()
    with pytest.raises(InputError, match="advanced to t = 600 s"):
        sim.run(tmp_path / "a", quiet=True)


def test_fields_before_a_run_change_nothing(case, tmp_path):
    """The potential may be looked at first: no step has been taken; 1e-9 is the solver's."""
    data = Case.read(case, SHORT)
    sim = Simulation(data, quick_backend())
    sim.fields()
    looked = sim.run(tmp_path / "a", quiet=True).summary
    plain = Simulation(data, quick_backend()).run(tmp_path / "b", quiet=True).summary
    assert looked["charge_C"] == pytest.approx(plain["charge_C"], rel=1e-9)


def test_two_simulations_of_one_case_do_not_meet(case, backend):
    """Step by step in turns: each ends as one that is alone, to the last bit."""
    data = Case.read(case, SHORT)
    one, other = (Simulation(data, backend.name) for _ in range(2))
    one.step()
    other.step()
    one.step()
    assert last(one) == last(other) == alone(case, backend.name)


def test_simulations_in_threads_do_not_meet(case):
    """Three at once, of one case."""
    data, found = Case.read(case, SHORT), []
    threads = [threading.Thread(target=lambda: found.append(last(Simulation(data, "numpy"))))
               for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and set(found) == {alone(case)}


def work(folder, queue):
    """Run the case in this process."""
    queue.put(alone(folder))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_computes_the_same(case, method):
    """After its parent has computed, too; fork copies all that the parent has."""
    here = alone(case)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=work, args=(case, queue))
    child.start()
    assert queue.get(timeout=120) == here
    child.join(20)
    assert child.exitcode == 0


def test_two_runs_into_one_directory_at_once_are_refused(case, tmp_path, monkeypatch):
    """In this process, and of another that is alive; a killed run's words stop nobody."""
    out = tmp_path / "out"
    data = Case.read(case, SHORT)
    inner = {}

    def second(sim):
        try:
            Simulation(data, quick_backend()).run(out, force=True, quiet=True)
        except OutputError as error:
            inner["error"] = str(error)

    sim = Simulation(data, quick_backend())
    step = sim.step
    monkeypatch.setattr(sim, "step", lambda *a: (second(sim), step(*a))[1])
    assert sim.run(out, quiet=True).status["state"] == "done"
    assert "another run is writing into" in inner["error"]
    status = json.loads((out / "status.json").read_text())
    status.update(state="running", process=os.getppid(), process_begun=begun(os.getppid()))
    (out / "status.json").write_text(json.dumps(status))
    with pytest.raises(OutputError, match="another run"):
        Simulation(data, quick_backend()).run(out, force=True, quiet=True)
    status["process_begun"] = "1"
    (out / "status.json").write_text(json.dumps(status))
    Simulation(data, quick_backend()).run(out, force=True, quiet=True)


def test_results_do_not_go_among_the_files_of_a_case(capsys, case):
    """--out CASE would replace a table of the case that is called series.csv."""
    (case / "series.csv").write_text("mine")
    code, _, errors = call(capsys, "run", case, "--out", case, "--force", "-o", SHORT[0])
    assert code == 2 and "holds a case" in errors and (case / "series.csv").read_text() == "mine"


@pytest.mark.parametrize("overrides, key, message", [
    (["electrodes.row.2.name=left.2"], "electrodes.row.0", "current_left.2"),
    (["probe.0.name=catholyte_left"], "probe.0.name", "pH_catholyte_left"),
    (["electrodes.row.2.name='left '"], "electrodes.row.2.name", "ends with a blank"),
    (["electrodes.row.0.name=caf\u00e9", "electrodes.row.2.name=cafe\u0301"],
     "electrodes.row.2.name", "is also the name of row 0")])
def test_two_columns_of_one_name_are_refused(case, overrides, key, message):
    """The later one would replace the earlier in the row; e with an accent is written two ways."""
    told(case, key, message, *overrides)


def test_brackets_in_a_name_are_no_unit(case, tmp_path):
    """Rows "a [1]" and "a [2]" keep their columns when they are read back."""
    names = ["electrodes.row.0.name='a [1]'", "electrodes.row.1.name='a [2]'",
             "schedule.stage.0.anodes=['a [1]']", "schedule.stage.0.cathodes=['a [2]']"]
    sim = Simulation(Case.read(case, SHORT + names), quick_backend())
    results = sim.run(tmp_path / "o", quiet=True)
    series = results.series
    assert series["current_a [1]"][-1] == pytest.approx(-series["current_a [2]"][-1])
    assert results.units["current_a [2]"] == "A" and Path(results.directory).is_dir()
