"""Runs as processes that are killed, interrupted and resumed, by one process and by three."""

import json
import os
import random
import signal
import time

import numpy as np
import pytest
from helpers.command_line import call
from helpers.runs_in_pieces import assert_equal_results, command, descendants, kill, rank_of
from helpers.salt_block import salt_case

from ekm3d.output import checkpoints
from ekm3d.output.results import open_results

LONG = ("-o", "output.snapshot_every=30 min", "-o", "output.series_every=10 min", "--quiet")
FOREVER = (*LONG, "-o", "schedule.stage.0.duration=2000 h")
PATIENCE = 120.0


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def wait_for(condition, job):
    """Wait until something has come true while a job goes on."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def status(out):
    return json.loads((out / "status.json").read_text())


def killed_and_resumed(case, backend, ranks, kills, seed, longest):
    """Kill a run at random moments, resume it each time, and compare it with a whole one."""
    words = (*LONG, "--backend", backend, "-o", "schedule.stage.0.duration=72 h")
    whole = command("run", case, "--out", case / "whole", *words)
    assert whole.communicate()[1] == "" and whole.returncode == 0
    chance, died = random.Random(seed), 0
    while died < kills:
        job = command("run", case, "--out", case / "out", "--resume", "auto", "--checkpoint",
                      "0.01 s", *words, ranks=chance.choice(ranks))
        time.sleep(chance.uniform(0.0, longest))
        if job.poll() is not None:
            break                       # it has come to its end
        kill(job)
        died += 1
    last = command("run", case, "--out", case / "out", "--resume", "auto", *words,
                   ranks=ranks[-1])
    output, errors = last.communicate()
    assert last.returncode == 0, errors
    assert_equal_results(case / "whole", case / "out")
    return died


def test_a_run_that_is_killed_goes_on(capsys, case):
    """Two kills, of which the second at least comes after a checkpoint."""
    words = (*LONG, "--backend", "numpy", "-o", "schedule.stage.0.duration=2 h")
    assert call(capsys, "run", case, "--out", case / "whole", *words)[0] == 0
    out, seen = case / "out", 0
    for _ in range(2):
        job = command("run", case, "--out", out, "--resume", "auto", "--checkpoint", "1 ms", *words)
        wait_for(lambda before=seen: len(checkpoints.files(out)) and int(
            checkpoints.files(out)[-1].stem[5:]) > before, job)
        kill(job)
        seen = int(checkpoints.files(out)[-1].stem[5:])
        assert status(out)["state"] == "running"
    assert call(capsys, "resume", case, "--out", out, "--quiet")[::2] == (0, "")
    assert_equal_results(case / "whole", out)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["numpy", "cpp"])
@pytest.mark.parametrize("ranks", [(1,), (3,), (1, 2, 3)])
def test_twenty_kills_at_random_moments(case, kind, ranks):
    """kill -9 of all processes between 0 and 4 s after their start: before the first step, in the
    middle of snapshots, checkpoints and renames."""
    assert killed_and_resumed(case, kind, ranks, 20, 4711, 4.0) > 3


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", *(
    pytest.param(name, marks=pytest.mark.slow) for name in ("SIGUSR1", "SIGHUP"))])
def test_a_signal_ends_the_run_with_exit_code_75(case, name):
    """The state is saved, and said to be."""
    out = case / "out"
    job = command("run", case, *FOREVER, "--backend", "numpy")
    wait_for((out / "series.csv").exists, job)
    job.send_signal(getattr(signal, name))
    errors = job.communicate(timeout=PATIENCE)[1]
    assert job.returncode == 75 and errors.startswith("ekm3d: the run was interrupted at t = ")
    assert name in errors and errors.count("\n") == 1
    assert status(out)["state"] == "interrupted" and status(out)["reason"] == f"by {name}"
    assert checkpoints.newest(out, pytest.fail).time == status(out)["time_s"]


def test_a_file_named_STOP_ends_the_run(case):
    """It is looked for once a second and removed, else it would end the next run too."""
    out = case / "out"
    job = command("run", case, *FOREVER, "--backend", "numpy")
    wait_for((out / "series.csv").exists, job)
    (out / "STOP").touch()
    assert "by the file" in job.communicate(timeout=PATIENCE)[1]
    assert job.returncode == 75 and not (out / "STOP").exists()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 2])
def test_a_signal_to_one_of_three_processes_ends_all(case, rank):
    """Ranks tell one another after every step; the checkpoint has the numbers of all."""
    out = case / "out"
    job = command("run", case, *FOREVER, "--backend", "numpy", ranks=3)
    wait_for((out / "series.csv").exists, job)
    chosen, = [pid for pid in descendants(job.pid) if rank_of(pid) == rank]
    os.kill(chosen, signal.SIGUSR1)
    errors = job.communicate(timeout=PATIENCE)[1]
    assert "interrupted at t = " in errors and "by SIGUSR1" in errors, errors
    assert job.returncode == 75 and status(out)["state"] == "interrupted"
    assert checkpoints.newest(out, pytest.fail).facts["ranks"] == 3


def interrupted(capsys, case, *words):
    """One step of a run, by a limit of time that has passed already."""
    return call(capsys, "run", case, "--quiet", "--backend", "numpy", "--max-hours", "1e-12",
                "-o", "schedule.stage.0.duration=30 min", *words)


def test_a_changed_past_is_refused_with_a_list(capsys, case):
    """Exit code 2, a line for every change; nothing is written."""
    assert interrupted(capsys, case)[0] == 75
    before = (case / "out" / "status.json").read_text()
    code, _, errors = call(capsys, "resume", case, "-o", "schedule.cfl=0.3", "-o",
                           "ore.porosity=0.46", "-o", "title=other")
    assert code == 2 and (case / "out" / "status.json").read_text() == before
    assert errors.splitlines()[1:] == ["  ore.porosity: 0.45 -> 0.46",
                                       "  schedule.cfl: 0.9 -> 0.3"]


def test_what_is_yet_to_come_may_change(capsys, case):
    """A longer stage, other intervals of the output; -o of the run need not be given again."""
    assert interrupted(capsys, case)[0] == 75
    code, text, errors = call(capsys, "resume", case, "--quiet", "-o", "output.series_every=5 min",
                              "-o", "schedule.stage.0.duration=40 min")
    assert (code, errors) == (0, "") and status(case / "out")["time_s"] == 2400.0
    rows = (case / "out" / "series.csv").read_text().splitlines()[1:]
    assert [round(60 * float(row.split(",")[0])) for row in rows] == [0, *range(15, 45, 5)]


def test_a_damaged_checkpoint_is_passed_over(capsys, case):
    """One flipped bit in the newest: the one before it is taken, and the end is the same."""
    assert interrupted(capsys, case)[0] == 75
    out = case / "out"
    assert call(capsys, "resume", case, "--quiet", "--max-hours", "1e-12")[0] == 75
    path = checkpoints.files(out)[-1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 8
    path.write_bytes(data)
    code, _, errors = call(capsys, "resume", case, "--quiet")
    assert code == 0 and errors.count("\n") == 1
    assert f"warning: {path} is damaged" in errors and "passed over" in errors
    assert call(capsys, "run", case, "--out", case / "whole", "--quiet", "--backend", "numpy",
                "-o", "schedule.stage.0.duration=30 min")[0] == 0
    assert_equal_results(case / "whole", out)


def test_nothing_to_resume_is_said(capsys, case):
    """No results, and results that are complete."""
    code, _, errors = call(capsys, "resume", case)
    assert code == 2 and "holds no checkpoint" in errors
    short = ("-o", "schedule.stage.0.duration=10 min", "--backend", "numpy", "--quiet")
    assert call(capsys, "run", case, *short, "--checkpoint", "1 h")[0] == 0
    code, text, _ = call(capsys, "resume", case)
    assert code == 0 and "finished run" in text


def test_a_finished_run_without_checkpoints_is_said_to_be_finished(capsys, case):
    """With the -o of the run; a case that lasts longer needs a checkpoint, and gets the command."""
    short = ("-o", "schedule.stage.0.duration=10 min", "--backend", "numpy", "--quiet")
    assert call(capsys, "run", case, *short)[0] == 0
    before = (case / "out" / "status.json").read_text()
    code, text, errors = call(capsys, "resume", case)
    assert (code, errors) == (0, "") and "holds a finished run, without checkpoints" in text
    code, _, errors = call(capsys, "resume", case, "-o", "schedule.stage.0.duration=20 min")
    assert code == 2 and errors.count("\n") == 1 and (
        f"{case / 'out'} holds a finished run to t = 600 s, and no checkpoint to go on from to the "
        f"case's 1200 s; `ekm3d run {case} --force --checkpoint" in errors)
    assert (case / "out" / "status.json").read_text() == before


def test_status_tells_the_living_from_the_dead(capsys, case):
    """Alive while its process is; dead after kill -9, though status.json says "running"."""
    out = case / "out"
    job = command("run", case, *FOREVER, "--backend", "numpy")
    wait_for((out / "series.csv").exists, job)
    code, text, _ = call(capsys, "status", case)
    assert code == 0 and f"{out}: running" in text and "alive" in text
    kill(job)
    code, text, _ = call(capsys, "status", out)
    assert code == 0 and "dead: its process has ended without a word" in text
    code, _, errors = call(capsys, "status", case.parent)
    assert code == 2 and "no run has written there" in errors


SECOND = """
[[schedule.stage]]
name = "turned"
duration = "20 min"
anodes = ["right"]
cathodes = ["left"]
voltage = "15 V"
"""


def test_a_stage_that_is_added_goes_on_to_the_bits_of_a_run_with_both(capsys, case):
    """Added while the first one was under way, and the last one made longer: the bits of a run that
    had the whole plan from its beginning. Added behind a plan that was done: its last snapshot is
    of the old drive, from which the next potential is solved, so that 1e-6 is the solver's."""
    file, plan = case / "case.toml", (case / "case.toml").read_text()
    plan = plan.replace('duration = "6 h"', 'duration = "20 min"').replace(
        'snapshot_every = "3 h"', 'snapshot_every = "10 min"').replace(
        'series_every = "1 h"', 'series_every = "5 min"')
    begin, probe, rest = plan.partition("[[probe]]")
    longer = begin + SECOND + probe + rest
    words = ("--quiet", "--backend", "numpy")
    file.write_text(longer)
    assert call(capsys, "run", case, "--out", case / "whole", *words)[0] == 0
    file.write_text(plan)
    assert call(capsys, "run", case, "--out", case / "done", "--checkpoint", "1 h", *words)[0] == 0
    stop = "--max-hours", "1e-9"
    assert call(capsys, "run", case, "--out", case / "stopped", *stop, *words)[0] == 75
    file.write_text(longer)
    for name in ("done", "stopped"):
        code, _, errors = call(capsys, "resume", case, "--out", case / name, "--quiet")
        assert (code, errors) == (0, "")
    assert_equal_results(case / "whole", case / "stopped")
    one, other = (open_results(case / name).series for name in ("whole", "done"))
    assert np.allclose(one["time"], other["time"], rtol=1e-12) and np.allclose(
        one["charge"], other["charge"], rtol=1e-6)
    file.write_text(longer.replace(SECOND, SECOND.replace("20 min", "30 min")))
    code, _, errors = call(capsys, "resume", case, "--out", case / "stopped", "--quiet")
    assert (code, errors) == (0, "")
    assert call(capsys, "run", case, "--out", case / "whole", "--force", *words)[0] == 0
    assert_equal_results(case / "whole", case / "stopped")
    file.write_text(longer.replace('voltage = "20 V"', 'voltage = "19 V"'))
    code, _, errors = call(capsys, "resume", case, "--out", case / "done", "--quiet")
    assert code == 2 and "schedule.stage.0.voltage: 20 -> 19" in errors
