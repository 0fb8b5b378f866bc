"""Background writer: order, errors, and snapshots written while the run goes on."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import h5py
import numpy as np
import pytest
from helpers.salt_block import ORE, salt_case, simulation

from ekm3d import Case, Simulation, open_results
from ekm3d.backends.choose import choose_backend
from ekm3d.cli.main import main
from ekm3d.output import run_directory
from ekm3d.output.background_writer import BackgroundWriter
from ekm3d.output.run_directory import RunDirectory
from ekm3d.output.vtkhdf import Snapshots

HOUR = "schedule.stage.0.duration=1 h"
OFTEN = "output.snapshot_every=10 min"


def test_one_task_at_a_time_in_the_order_given():
    """Each begins when the one before has ended, in another thread than the run's."""
    writer, told = BackgroundWriter(), []

    def work(n):
        told.append((n, "begins"))
        time.sleep(0.02)
        told.append((n, "ends"))
        assert threading.current_thread() is not threading.main_thread()

    for n in range(3):
        writer.start(work, n)
    writer.wait()
    assert told == [(n, what) for n in range(3) for what in ("begins", "ends")]


def test_the_caller_is_not_blocked():
    """Work that only ends once the caller has gone on would never end if it were waited for."""
    writer, gone_on = BackgroundWriter(), threading.Event()
    writer.start(lambda: gone_on.wait(900.0) or pytest.fail("the caller was kept"))
    writer.check()
    gone_on.set()
    writer.wait()


@pytest.mark.parametrize("meet", ["check", "wait", "start"])
def test_an_error_is_raised_once_by_the_next_call(meet):
    writer = BackgroundWriter()
    writer.start(lambda: 1 / 0)
    while not writer.task.done():
        time.sleep(0.001)
    with pytest.raises(ZeroDivisionError):
        getattr(writer, meet)(*[print] * (meet == "start"))
    writer.wait()
    writer.start(lambda: None)
    writer.wait()


def hold(monkeypatch, gate):
    """Make snapshots wait for the gate before they are written."""
    append = Snapshots.append

    def late(self, now, arrays):
        assert gate.wait(900.0)
        append(self, now, arrays)

    monkeypatch.setattr(Snapshots, "append", late)


def test_steps_go_on_while_a_snapshot_waits_for_the_disk(tmp_path, monkeypatch):
    """Three steps; the file then holds the block as it was, not as it is: pH in float32."""
    sim, gate = simulation(salt_case(tmp_path), *ORE), threading.Event()
    sim.fields()
    outputs = RunDirectory(sim, tmp_path / "out")
    hold(monkeypatch, gate)
    then = sim.backend.to_numpy(sim.state.pH)[sim.grid.inner].copy()
    outputs.snapshot()
    for _ in range(3):
        sim.step()
    outputs.writer.check()
    assert len(open_results(tmp_path / "out").times) == 0
    gate.set()
    outputs.writer.wait()
    results, ore = open_results(tmp_path / "out"), sim.electrodes.ore
    assert results.times.tolist() == [0.0] and sim.state.time > 0.0
    assert np.array_equal(results.field("pH")[ore], then[ore].astype("f4"))
    now = sim.backend.to_numpy(sim.state.pH)[sim.grid.inner]
    assert not np.array_equal(now[ore].astype("f4"), then[ore].astype("f4"))


def test_the_next_snapshot_waits_for_the_one_before(tmp_path, monkeypatch):
    """Its copies are in use until then: both arrive with their own numbers."""
    sim, gate = simulation(salt_case(tmp_path), *ORE), threading.Event()
    sim.fields()
    outputs, heads = RunDirectory(sim, tmp_path / "out"), []
    hold(monkeypatch, gate)
    for _ in range(2):
        threading.Timer(0.2, gate.set).start()
        heads.append(sim.state.totals[0][sim.grid.inner].sum())
        outputs.snapshot()
        sim.step()
        sim.fields()
    outputs.writer.wait()
    one, two = (open_results(tmp_path / "out").field("phi", n) for n in range(2))
    assert not np.array_equal(one, two) and heads[0] != heads[1]
    assert len(open_results(tmp_path / "out").times) == 2


def fill_disk(monkeypatch, at, times=1000):
    """Leave no room on the disk from snapshot number `at` on, for so many attempts."""
    append, count = Snapshots.append, [0]
    monkeypatch.setattr(run_directory, "WAITS", (0.01, 0.02))

    def full(self, now, arrays):
        count[0] += 1
        if at <= count[0] < at + times:
            raise OSError(28, "No space left on device")
        append(self, now, arrays)

    monkeypatch.setattr(Snapshots, "append", full)


@pytest.mark.parametrize("at, time_s", [(1, "0"), (3, "1200"), (7, "3600")])
def test_a_full_disk_ends_the_run_with_its_reason(tmp_path, monkeypatch, capsys, at,
                                                          time_s):
    """First, middle and last snapshot: exit code 3, file and time named, status and log too."""
    folder = salt_case(tmp_path)
    fill_disk(monkeypatch, at)
    assert main(["run", str(folder), "-o", HOUR, "-o", OFTEN, "--quiet", "--backend",
                 "numpy"]) == 3
    told = capsys.readouterr().err
    assert f"fields.vtkhdf: the snapshot at t = {time_s} s was not written" in told
    assert "No space left" in told and "Traceback" not in told
    status = open_results(folder / "out").status
    assert status["state"] == "failed" and "No space left" in status["reason"]
    assert "No space left" in (folder / "out" / "log.txt").read_text()
    assert len(open_results(folder / "out").times) == at - 1
    assert not (folder / "out" / "summary.json").exists()


def test_a_snapshot_that_could_not_be_written_is_tried_again(tmp_path, monkeypatch, capsys):
    """Twice in vain: all snapshots are there in the end, the summary counts the failures."""
    folder = salt_case(tmp_path)
    fill_disk(monkeypatch, 3, times=2)
    assert main(["run", str(folder), "-o", HOUR, "-o", OFTEN, "--quiet", "--backend",
                 "numpy"]) == 0
    results = open_results(folder / "out")
    assert len(results.times) == 7 and results.summary["failed_writes"] == 2
    assert capsys.readouterr().err.count("it is tried again") == 1


def test_a_failed_run_waits_for_its_writer_and_keeps_both_reasons(tmp_path, monkeypatch):
    """A step fails while the snapshot is on its way, and then the disk is full as well."""
    case, gate = Case.read(salt_case(tmp_path), [HOUR]), threading.Event()
    hold(monkeypatch, gate)
    fill_disk(monkeypatch, 1)

    def broken(self, until=None):
        threading.Timer(0.2, gate.set).start()
        raise RuntimeError("the potential did not converge")

    monkeypatch.setattr(Simulation, "step", broken)
    with pytest.raises(RuntimeError, match="did not converge"):
        Simulation(case, "numpy").run(quiet=True)
    reason = open_results(case.path / "out").status["reason"]
    assert reason.startswith("the potential did not converge; ") and "No space left" in reason


def test_a_finished_run_has_all_its_snapshots(tmp_path, monkeypatch):
    """The last one is slow: status "done" and the summary come after it."""
    case, gate = Case.read(salt_case(tmp_path), [HOUR, OFTEN]), threading.Event()
    hold(monkeypatch, gate)
    threading.Timer(0.3, gate.set).start()
    results = Simulation(case, "numpy").run(quiet=True)
    assert results.times.tolist() == pytest.approx([600.0 * n for n in range(7)])


def test_a_killed_run_leaves_a_readable_file(tmp_path):
    """SIGKILL in the midst of many snapshots: whole snapshots, as many times as there are rows."""
    folder = salt_case(tmp_path)
    code = f"""
        from ekm3d import Case, Simulation
        case = Case.read({str(folder)!r}, ["output.snapshot_every=10 s", "schedule.max_step=10 s"])
        Simulation(case, "numpy").run(quiet=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)],
                               env=dict(os.environ, OPENBLAS_NUM_THREADS="1"))
    path, until = folder / "out" / "fields.vtkhdf", time.monotonic() + 900.0
    while time.monotonic() < until and not (path.exists() and len(open_results(
            folder / "out").times) > 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    results = open_results(folder / "out")
    count = len(results.times)
    assert count > 3 and np.isfinite(results.field("pH", count - 1)).any()
    with h5py.File(path) as file:
        steps = file["VTKHDF/Steps"]
        assert steps.attrs["NSteps"] == count == len(steps["Values"])


@pytest.mark.parametrize("name", ["numpy", "cpp"])
def test_an_asynchronous_copy_to_the_host_is_a_copy(name, rng):
    backend = choose_backend(name)
    array, buffer = rng.random((3, 4)), backend.host_buffer((3, 4), np.float32)
    backend.copy_to_host_async(array, buffer)
    wanted = array.astype("f4")
    array[...] = 0.0
    backend.copies_done()()
    assert np.array_equal(buffer, wanted)


def test_a_sequence_makes_its_calls_in_turn():
    """Calls of the list as it was: later changes of it have no effect."""
    told = []
    calls = [lambda: told.append("a"), None, lambda: told.append("b")]
    run = choose_backend("numpy").sequence(calls)
    calls.clear()
    run()
    run()
    assert told == list("abab")
