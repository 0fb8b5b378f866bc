"""The command line as a user meets it: what it prints, what it writes, and how it refuses."""

import hashlib
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.case_files import SMALL, copy
from helpers.salt_block import salt_case

import ekm3d
from ekm3d import Case, Simulation, open_results
from ekm3d.backends.choose import choose_backend
from ekm3d.cli.main import main
from ekm3d.errors import ConvergenceError

SHORT = ["-o", "schedule.stage.0.duration=20 min", "--backend", "numpy"]


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def ekm3d_command(*words):
    """The program in a process of its own, its output piped as in a script."""
    return subprocess.run([sys.executable, "-m", "ekm3d", *map(str, words)], capture_output=True,
                          text=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})


def call(capsys, *words):
    """(exit code, standard output, standard error) of main in this process."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as end:                    # argparse's way out
        code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def contents(folder):
    """{path: digest, time of change} of everything below a folder."""
    return {str(p.relative_to(folder)): (hashlib.sha256(p.read_bytes()).hexdigest()
                                         if p.is_file() else "", p.stat().st_mtime_ns)
            for p in sorted(folder.rglob("*"))}


# --- run ----------------------------------------------------------------------------------------

def test_run_from_a_shell_ends_with_the_table(case):
    """ekm3d run CASE: exit code 0, the summary as a table on standard output, files in CASE/out."""
    answer = ekm3d_command("run", case, *SHORT)
    assert answer.returncode == 0 and answer.stderr == ""
    lines = answer.stdout.splitlines()
    assert lines[0] == "salt" and lines[1] == f"backend numpy (asked for); results go to {case}/out"
    summary = json.loads((case / "out" / "summary.json").read_text())
    shown = dict(line.split(None, 1) for line in lines[2:])
    assert shown.keys() == summary.keys()
    assert float(shown["charge_C"]) == pytest.approx(summary["charge_C"], rel=1e-4)
    assert shown["steps"] == str(summary["steps"]) and "\x1b" not in answer.stdout


def test_out_quiet_and_overrides(capsys, case, tmp_path):
    """Elsewhere, without a word but the table, with the values given on the line."""
    out = tmp_path / "some" / "where"
    code, text, _ = call(capsys, "run", case, "--out", out, "--quiet", *SHORT, "-o",
                         "title=another", "-o", 'grid.spacing=["10 cm", "15 cm", "40 cm"]')
    assert code == 0 and not (case / "out").exists()
    assert text.splitlines()[0].split() == ["title", "another"]
    assert open_results(out).grid.cells == (6, 3, 2)


def test_a_finished_run_is_refused_and_stays_bit_for_bit(capsys, case):
    """Exit code 2 and one line; --force replaces it."""
    assert call(capsys, "run", case, *SHORT)[0] == 0
    before = contents(case)
    code, text, errors = call(capsys, "run", case, *SHORT)
    assert (code, text) == (2, "") and contents(case) == before
    assert errors == (f"{case}/out holds a finished run; give --force to replace it, or --out DIR "
                      "to write elsewhere\n")
    code, _, _ = call(capsys, "run", case, "--force", "-o", "schedule.stage.0.duration=10 min")
    assert code == 0 and open_results(case / "out").times[-1] == 600.0


def test_a_run_that_fails_says_why_and_leaves_it_in_the_status(capsys, case, monkeypatch):
    """A solver that gives up in the second step: one line, exit code 3, status "failed"."""
    step = Simulation.step

    def second_fails(self, until=None):
        if self.state.step == 1:
            raise ConvergenceError("potential: conjugate gradients stopped")
        return step(self, until)

    monkeypatch.setattr(Simulation, "step", second_fails)
    code, _, errors = call(capsys, "run", case, *SHORT)
    assert (code, errors) == (3, "ekm3d: the run failed: potential: conjugate gradients stopped\n")
    status = json.loads((case / "out" / "status.json").read_text())
    assert status["state"] == "failed" and status["step"] == 1
    assert status["reason"] == "potential: conjugate gradients stopped"
    assert not (case / "out" / "summary.json").exists()


def test_a_full_disk_is_a_failed_run(capsys, case, monkeypatch):
    """Not a traceback: the reason that the system gives, exit code 3."""
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ekm3d.output.run_directory.RunDirectory.series", full)
    code, _, errors = call(capsys, "run", case, *SHORT)
    assert code == 3 and "No space left on device" in errors and "Traceback" not in errors


# --- check --------------------------------------------------------------------------------------

def test_check_prints_the_case_and_writes_nothing(capsys, case):
    """In SI with voxels, expected steps and memory; every file as before, no directory made.

    20 V on 6 h at 600 s a step: 36 steps.
    """
    before = contents(case)
    code, text, errors = call(capsys, "check", case)
    assert code == 0 and errors == "" and contents(case) == before
    for part in ("6 x 3 x 4 = 72 of 0.1 x 0.15 x 0.2 m", "overpotential", "2e-08", "Na+ 2",
                 "expected: about 36 steps of 600 s", "GiB at the peak",
                 f"backend {choose_backend('auto').name}"):
        assert part in text, part


# --- refusals -----------------------------------------------------------------------------------

BAD = {     # the list: (line of the small case, what stands there instead, what is said)
    "unknown key": ('density = "1.5 g/cm3"', 'densty = "1.5 g/cm3"',
                    ": ore.densty: unknown key; did you mean 'density'?"),
    "wrong unit": ('gradient = "0.3 V/cm"', 'gradient = "0.3 A"',
                   ": schedule.stage.0.gradient: cannot read '0.3 A' as V/m"),
    "electrode outside": ('x = "0 m", y', 'x = "-1 cm", y', "lies outside the grid (0 to 0.5 m)"),
    "overlapping electrodes": ('x = "0 m", y', 'x = "0.4 m", y',
                               "electrode 1 of cathode 'right' overlaps electrode 1 of anode "),
    "anode without cathode": ('cathodes = ["right"]', "", "drives anodes (left) without cathodes"),
    "species missing": ('LREE = "142 mg/kg"', 'Fe = "142 mg/kg"',
                        ": ore.exchangeable.Fe: unknown component"),
    "more water than pores": ('water_content = "42 %"', "water_content = 0.46",
                              "0.46 is above the porosity 0.45"),
    "negative table value": ("porosity = 0.45",
                             'porosity = { samples = "points.csv", column = "negative" }',
                             "points.csv:3: negative is -0.1"),
    "NaN table value": ("porosity = 0.45",
                        'porosity = { samples = "points.csv", column = "hole" }',
                        "points.csv:2: hole is nan; it must be a finite number"),
    "sample outside": ('file = "points.csv"', 'file = "far.csv"',
                       "far.csv:2: the point (0.1, 0.1, 5) m lies outside the block"),
}
POINTS = "name,x,y,z,negative,hole\nA,0.1,0.1,1,0.4,nan\nB,0.2,0.1,1,-0.1,0.4\n"


def refused(capsys, case, *words):
    """Lines of the refusal of `ekm3d run`: exit code 2, nothing printed, nothing written."""
    before = contents(case.parent)
    code, text, errors = call(capsys, "run", case, *words)
    assert (code, text) == (2, "") and contents(case.parent) == before
    assert "Traceback" not in errors
    return errors.splitlines()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_one_line_with_its_place(capsys, tmp_path, name):
    """Each mistake alone: case.toml:LINE: key: what is wrong, what would be right.

    It may show in several lines (two strips, both outside); a line is one problem.
    """
    old, new, said = BAD[name]
    case = copy(tmp_path, SMALL, (old, new), far="name,x,y,z\nA,0.1,0.1,5\n", points=POINTS)
    lines = refused(capsys, case)
    assert any(said in line for line in lines)
    assert all(re.match(r"case.toml:\d+: [\w.]+: \S", line) for line in lines)


def test_an_empty_schedule_is_refused(capsys, case):
    lines = refused(capsys, case, "-o", "schedule.stage=[]")
    assert len(lines) == 1 and "the schedule is empty; add at least one" in lines[0]


def test_problems_come_all_at_once_from_a_shell_too(tmp_path):
    """Three mistakes, three lines on standard error, exit code 2, no out/ made."""
    case = copy(tmp_path, SMALL, *(BAD[name][:2] for name in (
        "unknown key", "species missing", "more water than pores")))
    for command in ("run", "check"):
        answer = ekm3d_command(command, case)
        assert (answer.returncode, answer.stdout) == (2, "")
        lines = answer.stderr.splitlines()
        assert all(line.startswith("case.toml:") for line in lines)
        for said in ("did you mean 'density'?", "ore.exchangeable.Fe"):
            assert sum(said in line for line in lines) == 1
    assert not (case / "out").exists()


def test_a_directory_that_cannot_be_written_is_refused_before_the_run(capsys, case):
    """Below a regular file not even root can write."""
    (case / "file").write_text("")
    lines = refused(capsys, case, "--out", case / "file" / "out")
    assert lines == [f"cannot write to {case}/file: Not a directory; give --out DIR with a "
                     "directory that you may write to"]


def test_a_case_that_is_none(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "there is no case.toml in it" in refused(capsys, tmp_path / "empty")[0]


def test_cuda_is_refused_with_the_reason(capsys, case):
    """Never a silent fall-back to something slower."""
    lines = refused(capsys, case, "--backend", "cuda")
    assert len(lines) == 1 and "backend 'cuda' cannot run: " in lines[0]
    assert "use --backend numpy or cpp" in lines[0]


@pytest.mark.parametrize("words, said", [
    (("run", "CASE", "--backend", "gpu"), "invalid choice: 'gpu' (choose from"),
    (("walk", "CASE"), "invalid choice: 'walk'"),
    (("run",), "the following arguments are required: CASE"),
    ((), "the following arguments are required: COMMAND"),
    (("check", "CASE", "--force"), "unrecognized arguments: --force")])
def test_a_line_that_is_no_command_shows_how_it_goes(capsys, words, said):
    code, text, errors = call(capsys, *words)
    assert (code, text) == (2, "") and said in errors and errors.startswith("usage: ekm3d")


def test_version(capsys):
    assert call(capsys, "--version")[:2] == (0, f"ekm3d {ekm3d.__version__}\n")


# --- the same from Python ------------------------------------------------------------------------

def test_the_three_names_of_the_python_interface(case, tmp_path, capsys):
    """Case.read, Simulation.run, open_results: what the command line does, and as quiet as told.

    Without an output directory results go to CASE/out; what run returns and what open_results
    reads later are the same.
    """
    data = Case.read(str(case), overrides=["schedule.stage.0.duration=20 min"])
    results = Simulation(data).run(quiet=True)
    assert capsys.readouterr().out == ""
    again = open_results(case / "out")
    assert again.summary == results.summary and list(again.times) == [0.0, 1200.0]
    np.testing.assert_array_equal(again.field("pH"), results.field("pH"))
    assert again.series["charge"][-1] == pytest.approx(again.summary["charge_C"])
    assert Simulation(data).run(tmp_path / "b", quiet=True).summary["steps"] == 2
