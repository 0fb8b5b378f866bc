"""Windows and macOS, as far as they can be imitated here: the import, and a run on NumPy."""

import json
import os
import subprocess
import sys

import pytest
from helpers.case_files import ROOT
from helpers.command_line import SHORT, call
from helpers.salt_block import salt_case

from ekm3d.output import run_owner

SYSTEMS = ("windows", "macos")


def on(system, *words):
    """The command line on such a system; its output, or a failure that shows it."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    answer = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "helpers.other_system", system, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": paths, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"})
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


@pytest.mark.parametrize("system", ["windows", pytest.param("macos", marks=pytest.mark.slow)])
def test_a_case_runs_and_resumes_on_another_system(capsys, tmp_path, system):
    """With checkpoints and a title in Greek; the results are those of this system, bit for bit."""
    case = salt_case(tmp_path)
    file = case / "case.toml"
    text = file.read_text("utf-8").replace('title = "salt"', 'title = "\u03b1\u03bb\u03c2"')
    file.write_text(text, encoding="utf-8")
    text = on(system, "run", case, *SHORT, "-o", "output.checkpoint=10 min", "--out",
              tmp_path / "there")
    assert "What came out" in text
    assert call(capsys, "run", case, *SHORT, "--quiet", "-o", "output.checkpoint=10 min", "--out",
                tmp_path / "here")[0] == 0
    there, here = (json.loads((tmp_path / name / "summary.json").read_text("utf-8"))
                   for name in ("there", "here"))
    assert there["title"] == "\u03b1\u03bb\u03c2"
    assert {**there, "wall_s": 0} == {**here, "wall_s": 0}
    on(system, "resume", case, "--out", tmp_path / "there", "-o",
       "schedule.stage.0.duration=30 min")


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("words", [("check", "CASE", "--backend", "numpy"), ("doctor",),
                                   ("verify", "--list"), ("database", "LaSO4+")])
def test_other_commands_on_another_system(tmp_path, system, words):
    case = salt_case(tmp_path)
    assert on(system, *(case if word == "CASE" else word for word in words))


def test_owners_of_locks_where_there_is_no_proc(tmp_path, monkeypatch):
    """By the number of the process alone; on Windows, where asking would end it, unknown."""
    monkeypatch.setattr(run_owner, "PROCESSES", tmp_path / "none")
    mine = {"process": os.getpid(), "process_begun": "", "host": run_owner.owner()["host"]}
    assert run_owner.lives(mine) is True
    assert run_owner.lives({**mine, "process": os.getppid()}) is True
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert run_owner.lives({**mine, "process": ended.pid}) is False
    monkeypatch.setattr(run_owner.os, "name", "nt")
    assert run_owner.exists(os.getpid()) is True
    assert run_owner.exists(os.getppid()) is None
