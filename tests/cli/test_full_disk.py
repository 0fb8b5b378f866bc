"""Disks that fill up while a run goes on: one message, exit code 3, and nothing lost.

Real processes on a tmpfs of a few megabytes, where mounting one is permitted, with a file of
ballast that fills it at the moment of the test; limits on the size of files (`ulimit -f`) anywhere.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from helpers.command_line import call
from helpers.runs_in_pieces import assert_equal_results, command
from helpers.salt_block import salt_case

from ekm3d.output import checkpoint_file, checkpoints
from ekm3d.output.results import open_results

MB = 2**20
QUIET = ("--backend", "numpy", "--quiet", "-o", "schedule.max_step=2 min")
ROWS = ("-o", "output.series_every=2 min", "-o", "output.snapshot_every=100 h")
SNAPSHOTS = ("-o", "output.series_every=30 min", "-o", "output.snapshot_every=2 min")
RARELY = ("-o", "output.series_every=100 h", "-o", "output.snapshot_every=100 h")
HALF, DAYS = ("-o", "schedule.stage.0.duration=30 min"), ("-o", "schedule.stage.0.duration=900 h")


@pytest.fixture
def disk(tmp_path):
    """A tmpfs of 3 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    if shutil.which("mount") is None or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", path],
            capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def fill(disk):
    """Fill the disk with ballast to its last byte; return the file."""
    ballast = disk / "ballast"
    with suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


def wait_for(condition, job):
    end = time.monotonic() + 120.0
    while not condition():
        assert job.poll() is None, job.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def rows(out):
    return len((out / "series.csv").read_text().splitlines()) - 1


def ended(job, message):
    """The job has ended with exit code 3 and one line that says why."""
    output, errors = job.communicate()
    assert job.returncode == 3 and output == "", (job.returncode, errors)
    last = errors.splitlines()[-1]
    assert message in last and "No space left" in last or "needed" in last, errors
    assert sum("the run failed" in line for line in errors.splitlines()) == 1
    assert len(errors.splitlines()) <= 2 and "Traceback" not in errors


@pytest.mark.parametrize("what, often, message", [
    pytest.param("series", ROWS, "series.csv: the row at", marks=pytest.mark.slow),
    ("fields", SNAPSHOTS, "fields.vtkhdf: the snapshot at")])
def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_room(
        capsys, case, disk, what, often, message):
    """Full after the first checkpoint. What was written is whole; resumed, the bits of a whole run.
    """
    assert call(capsys, "run", case, "--out", case / "whole", *QUIET, *often, *HALF)[0] == 0
    out = disk / "out"
    job = command("run", case, "--out", out, "--checkpoint", "0.3 s", *QUIET, *often, *HALF)
    wait_for(lambda: checkpoints.files(out), job)
    ballast = fill(disk)
    ended(job, message)
    results = open_results(out)
    assert len(results.times) >= 1 and rows(out) >= 1
    assert checkpoint_file.facts_of(checkpoints.files(out)[-1])["memory"]["state"]["step"] >= 1
    ballast.unlink()
    job = command("resume", case, "--out", out, "--quiet")
    assert job.communicate()[1] == "" and job.returncode == 0
    assert_equal_results(case / "whole", out)


def test_a_checkpoint_without_room_is_told_and_the_run_goes_on(case, disk):
    """The earlier checkpoint stays whole, later ones are written when there is room again."""
    out = disk / "out"
    job = command("run", case, "--out", out, "--checkpoint", "0.2 s", *QUIET, *RARELY, *DAYS)
    wait_for(lambda: len(checkpoints.files(out)) >= 2, job)
    ballast = fill(disk)
    before = checkpoints.files(out)[-1]
    time.sleep(1.5)
    assert job.poll() is None and checkpoint_file.facts_of(checkpoints.files(out)[-1])
    ballast.unlink()
    wait_for(lambda: checkpoints.files(out) and checkpoints.files(out)[-1] > before, job)
    (out / "STOP").touch()
    errors = job.communicate()[1]
    assert job.returncode == 75 and "warning: no checkpoint at" in errors
    job = command("run", case, "--out", out, "--resume", "auto", *QUIET, *RARELY,
                  "-o", "schedule.stage.0.duration=900 h", "--max-hours", "1e-9")
    assert job.communicate() and job.returncode == 75


def obstruct(path):
    """Put a directory in the place of a file that a run writes again and again."""
    while True:
        path.unlink(missing_ok=True)
        try:
            path.mkdir()
        except FileExistsError:             # written again in between
            continue
        return


def test_the_log_and_the_status_are_written_when_they_can_be(case):
    """log.txt larger than files may be, status.json in the way: told, and made up for later."""
    out, file = case / "out", case / "case.toml"
    file.write_text(file.read_text().replace('title = "salt"', f'title = "{9000 * "x"}"'))
    job = command("run", case, *QUIET, *ROWS, "-o", "schedule.stage.0.duration=2 h")
    wait_for(lambda: (out / "series.csv").exists() and rows(out) >= 6, job)
    obstruct(out / "status.json")
    size = (out / "log.txt").stat().st_size
    resource.prlimit(job.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    begun = rows(out)
    wait_for(lambda: rows(out) > begun + 2, job)
    resource.prlimit(job.pid, resource.RLIMIT_FSIZE,
                     (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (out / "status.json").rmdir()
    errors = job.communicate()[1]
    assert job.returncode == 0, errors
    told = errors.splitlines()
    assert len(told) == 2 and any("log.txt could not be written" in line for line in told)
    assert any("status.json could not be written" in line for line in told)
    results = open_results(out)
    assert results.status["state"] == "done" and results.summary["failed_writes"] >= 4
    log = (out / "log.txt").read_text()
    assert sum("iterations" in line for line in log.splitlines()) == rows(out) - 1


def test_a_limit_on_the_size_of_files_ends_a_run(case):
    """`ulimit -f` of 64 kB, which the file of fields needs more than: nothing is begun."""
    answer = subprocess.run(
        ["bash", "-c", f"ulimit -f 64; exec {sys.executable} -m ekm3d run {case} --quiet "
         "--backend numpy"], capture_output=True, text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    assert answer.returncode == 3 and answer.stdout == ""
    assert answer.stderr.count("\n") == 1 and "File too large" in answer.stderr
