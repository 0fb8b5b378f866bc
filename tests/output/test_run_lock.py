"""Owner of a result directory: locks of the living and the dead, and files of somebody else."""

import json
import os
import subprocess
import sys

import pytest
from helpers.command_line import call, contents
from helpers.runs_in_pieces import command
from helpers.salt_block import salt_case

from ekm3d.errors import OutputError
from ekm3d.output.run_lock import LOCK, STALE, RunLock
from ekm3d.output.run_owner import begun

SHORT = ("--quiet", "--backend", "numpy", "-o", "schedule.stage.0.duration=10 min")


def written(folder, age=0.0, **changes):
    """The lock of this process with changes, as if written `age` seconds ago."""
    facts = json.loads(RunLock(folder).text) | changes
    (folder / LOCK).write_text(json.dumps(facts))
    if age:
        os.utime(folder / LOCK, (os.path.getmtime(folder / LOCK) - age,) * 2)


def taken(folder, **options):
    """True if a lock can be taken; it is given back."""
    lock = RunLock(folder)
    try:
        lock.acquire(**options)
    except OutputError as error:
        assert "another run is writing into" in str(error)
        return False
    assert (folder / LOCK).read_text() == lock.text
    lock.release()
    assert not (folder / LOCK).exists() and list(folder.iterdir()) == []
    return True


def test_a_lock_stands_while_its_process_does(tmp_path):
    """The parent of this process lives; a process that has ended, or another one with its number,
    does not; a boot later nothing does."""
    parent = {"process": os.getppid(), "process_begun": begun(os.getppid())}
    written(tmp_path, **parent)
    assert not taken(tmp_path)
    for change in ({"process_begun": "1"}, {"boot": "another"}):
        written(tmp_path, **parent | change)
        assert taken(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    written(tmp_path, process=ended.pid)
    assert taken(tmp_path)


def test_a_lock_of_this_process_stands_while_a_run_of_it_does(tmp_path):
    """A run that could not even begin leaves one, which hinders no later run."""
    written(tmp_path)
    assert not taken(tmp_path, in_this_process=True)
    assert taken(tmp_path)


def test_a_lock_of_another_computer_stands_while_it_is_touched(tmp_path, monkeypatch):
    """Nobody here can see its process; a Slurm job that was queued again knows its own."""
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    written(tmp_path, host="elsewhere", job="76")
    assert not taken(tmp_path)
    written(tmp_path, age=STALE + 60.0, host="elsewhere", job="76")
    assert taken(tmp_path)
    written(tmp_path, host="elsewhere", job="77")
    assert taken(tmp_path)


def test_of_many_processes_that_start_at_once_one_has_the_lock(tmp_path):
    """Twelve try to take a stale lock; each says whether it has it, and keeps it until all have."""
    written(tmp_path, process_begun="1", process=os.getppid())
    text = ("import sys; from pathlib import Path\\n"
            "from ekm3d.output.run_lock import RunLock\\nsys.stdin.readline()\\n"
            "try: RunLock(Path(sys.argv[1])).acquire(); print('mine', flush=True)\\n"
            "except Exception as e: print(e, flush=True)\\nsys.stdin.readline()")
    jobs = [subprocess.Popen([sys.executable, "-c", text.replace("\\n", "\n"), tmp_path], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(12)]
    for line in ("go\n", "end\n"):
        for job in jobs:
            job.stdin.write(line)
            job.stdin.flush()
        if line == "go\n":
            answers = [job.stdout.readline() for job in jobs]
    for job in jobs:
        job.communicate()
    assert answers.count("mine\n") == 1, answers
    assert all("another run" in answer for answer in answers if answer != "mine\n")


@pytest.mark.parametrize("name", ["log.txt", "series.csv", "fields", "summary.json"])
@pytest.mark.parametrize("force", [(), ("--force",)])
def test_files_of_somebody_else_stay(capsys, tmp_path, name, force):
    """Names of a run's files that no run has written: refused, with --force too."""
    case = salt_case(tmp_path)
    out = tmp_path / "mine"
    (out / "fields").mkdir(parents=True)
    (out / "fields" / "barley.txt").write_text("5 ha")
    if name != "fields":
        (out / name).write_text("mine")
    before = contents(out)
    code, _, errors = call(capsys, "run", case, "--out", out, *SHORT, *force)
    assert code == 2 and "holds" in errors and name in errors and contents(out) == before


def test_other_files_in_the_directory_of_a_run_stay(capsys, tmp_path):
    """--force replaces what the run has made; notes beside it, and in fields/, are the user's."""
    case = salt_case(tmp_path)
    assert call(capsys, "run", case, *SHORT, "-o", "output.mode=per-rank")[0] == 0
    notes = [case / "out" / "notes.txt", case / "out" / "fields" / "notes.txt"]
    for note in notes:
        note.write_text("mine")
    assert call(capsys, "run", case, *SHORT, "--force")[0] == 0
    assert all(note.read_text() == "mine" for note in notes)
    assert [p.name for p in (case / "out" / "fields").iterdir()] == ["notes.txt"]


def test_a_closed_pipe_ends_no_run(tmp_path):
    """The reader of standard output and of standard error has gone before the first word."""
    case = salt_case(tmp_path)
    job = command("run", case, "--backend", "numpy", "-o", "schedule.stage.0.duration=10 min")
    job.stdout.close()
    job.stderr.close()
    assert job.wait(120) == 0
    assert json.loads((case / "out" / "status.json").read_text())["state"] == "done"
    assert not (case / "out" / LOCK).exists()
