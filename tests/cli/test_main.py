"""Grammar of the command line, exit codes of errors, and the same work from Python."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.case_files import ROOT, copy
from helpers.command_line import SHORT, call
from helpers.salt_block import salt_case

import ekm3d
from ekm3d import Case, Simulation, open_results
from ekm3d.cli.main import main
from ekm3d.errors import (
    BackendError,
    ConvergenceError,
    Ekm3dError,
    InputError,
    LaunchError,
    OutputError,
)


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


@pytest.mark.parametrize("words, said", [
    (("run", "CASE", "--backend", "gpu"), "invalid choice: 'gpu' (choose from"),
    *((("run", "CASE", "--max-hours", hours), "argument --max-hours: ")
      for hours in ("-1", "0", "nan", "inf", "two", "1e999")),
    *((("verify", "--jobs", jobs), "argument --jobs: ") for jobs in ("0", "-2", "1.5", "many")),
    (("walk", "CASE"), "invalid choice: 'walk'"),
    (("run",), "the following arguments are required: CASE"),
    ((), "the following arguments are required: COMMAND; one of new, check, run,"),
    (("check", "CASE", "-o", "schedule.stage.0.voltage=30", "V"),
     'unrecognized arguments: V; a value with blanks needs quotes, such as -o grid.spacing="5 cm"'),
    (("check", "CASE", "--force"), "unrecognized arguments: --force")])
def test_wrong_usage_prints_the_grammar_and_exits_with_2(capsys, words, said):
    code, text, errors = call(capsys, *words)
    assert (code, text) == (2, "") and said in errors and errors.startswith("usage: ekm3d")


def test_output_that_nobody_reads_ends_without_a_message():
    """`ekm3d verify --list` into a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        done = subprocess.run([sys.executable, "-m", "ekm3d", "verify", "--list"], stdout=output,
                              stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_version(capsys):
    assert call(capsys, "--version")[:2] == (0, f"ekm3d {ekm3d.__version__}\n")


FAILED = "ekm3d: the run failed: "


@pytest.mark.parametrize("error, code, said", [
    (InputError("text"), 2, "text"), (BackendError("text"), 2, "text"),
    (LaunchError("text"), 2, "text"), (OutputError("text"), 2, "text"),
    (Ekm3dError("text"), 2, "text"), (ConvergenceError("text"), 3, FAILED + "text"),
    (RuntimeError("text"), 3, FAILED + "text"), (OSError("text"), 3, FAILED + "text"),
    (KeyboardInterrupt(), 130, "ekm3d: interrupted"),
    (MemoryError("text"), 2, "CASE: the memory is exhausted (text); larger voxels take less, and "
                             "`ekm3d check` tells how much")])
def test_exit_code_and_message_of_every_error_class(capsys, monkeypatch, error, code, said):
    """`ekm3d run` whose case cannot be read for these reasons: one line, no traceback."""
    def fails(*_):
        raise error

    monkeypatch.setattr("ekm3d.cli.run.Case.read", fails)
    assert call(capsys, "run", "CASE") == (code, "", said + "\n")


def test_a_programming_error_keeps_its_traceback(monkeypatch):
    """Errors that no user can cause are not caught."""
    monkeypatch.setattr("ekm3d.cli.run.Case.read", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["run", "CASE"])


# --- the same from Python ------------------------------------------------------------------------

def test_the_three_names_of_the_python_interface(case, tmp_path, capsys):
    """Case.read, Simulation.run and open_results do the work of the command line, quietly.

    Without an output directory results go to CASE/out; `run` returns the same results that
    open_results reads later.
    """
    data = Case.read(str(case), overrides=["schedule.stage.0.duration=20 min"])
    results = Simulation(data).run(quiet=True)
    assert capsys.readouterr().out == ""
    again = open_results(case / "out")
    assert again.summary == results.summary and list(again.times) == [0.0, 1200.0]
    np.testing.assert_array_equal(again.field("pH"), results.field("pH"))
    assert again.series["charge"][-1] == pytest.approx(again.summary["charge_C"])
    assert Simulation(data).run(tmp_path / "b", quiet=True).summary["steps"] == 2


@pytest.mark.parametrize("coding", [
    "ascii", pytest.param("latin-1", marks=pytest.mark.slow), "utf-8"])
def test_every_terminal_shows_a_case(tmp_path, coding):
    """Titles and names of any alphabet: shown where the terminal can, else as \\u0391.

    log.txt and the series are UTF-8 whatever the terminal.
    """
    case = copy(tmp_path, ROOT / "tests" / "data" / "case_salt",
                ('title = "salt"', 'title = "\u0391\u03bb\u03ac\u03c4\u03b9"'),
                ('name = "middle"', 'name = "\u4e2d"'))
    answer = subprocess.run([sys.executable, "-m", "ekm3d", "run", case, *SHORT],
                            capture_output=True, env={
                                **os.environ, "PYTHONIOENCODING": coding, "PYTHONUTF8": "0",
                                "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"})
    assert answer.returncode == 0, answer.stderr
    title = "\u0391\u03bb\u03ac\u03c4\u03b9"
    assert title.encode(coding, "backslashreplace") in answer.stdout
    assert title in (case / "out" / "log.txt").read_text("utf-8")
    assert "current_\u4e2d" in open_results(case / "out").series


# What a plain run does without: each of them costs between 5 ms and a second.
LATE = ("scipy", "pint", "mpi4py", "cupy", "rich", "matplotlib", "pyvista", "vtkmodules", "pandas",
        "jinja2", "statistics", "difflib", "html", "multiprocessing", "numpy.f2py",
        "numpy.testing", "ekm3d.view", "ekm3d.study", "ekm3d.export", "ekm3d.verification",
        "ekm3d.coupling", "ekm3d.thermodata.phreeqc_import", "ekm3d.chemistry.solution")


def test_a_run_imports_nothing_that_it_does_without(case):
    """Modules after a whole run of a small case: none of LATE, without which it starts in 1 s."""
    text = ("import sys; sys.argv[:1] = ['ekm3d', 'run']; from ekm3d.cli.main import main; main(); "
            "print('modules:', *sys.modules)")
    answer = subprocess.run([sys.executable, "-c", text, case, "--quiet", *SHORT],
                            capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    modules = answer.stdout.splitlines()[-1].split()
    assert modules[0] == "modules:" and "h5py" in modules and "ekm3d.model.loop" in modules
    assert [name for name in LATE if name in modules] == []
