"""`ekm3d run`: printed output, files written, exit codes, and refusals of bad input."""

import json
import re

import pytest
from helpers.case_files import SMALL, copy
from helpers.command_line import SHORT, call, contents, ekm3d_command, refused
from helpers.salt_block import salt_case

from ekm3d import Simulation, open_results
from ekm3d.errors import ConvergenceError


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def test_run_from_a_shell_prints_the_summary(case):
    """ekm3d run CASE: exit code 0, the summary as a table on standard output, files in CASE/out."""
    answer = ekm3d_command("run", case, *SHORT)
    assert answer.returncode == 0 and answer.stderr == ""
    lines = answer.stdout.splitlines()
    assert lines[0] == "salt" and lines[1] == f"backend numpy (asked for); results go to {case}/out"
    summary = json.loads((case / "out" / "summary.json").read_text())
    assert "\x1b" not in answer.stdout and "Other" not in lines
    (charge,) = (line.split() for line in lines if line.startswith("  charge passed  "))
    assert charge[-1] == "kC" and float(charge[-2]) == pytest.approx(
        1e-3 * summary["charge_C"], rel=1e-3)
    assert any(line.startswith(f"  {summary['time_h']:g} h in {summary['steps']} steps, ")
               for line in lines)


def test_options_out_quiet_and_override(capsys, case, tmp_path):
    """Results in --out, only the summary printed, values of the command line used."""
    out = tmp_path / "some" / "where"
    code, text, _ = call(capsys, "run", case, "--out", out, "--quiet", *SHORT, "-o",
                         "title=another", "-o", 'grid.spacing=["10 cm", "15 cm", "40 cm"]')
    assert code == 0 and not (case / "out").exists()
    assert text.splitlines()[0] == "another"
    assert open_results(out).grid.cells == (6, 3, 2)


def test_a_finished_run_is_refused_and_unchanged(capsys, case):
    """Exit code 2 and one line; --force replaces it."""
    assert call(capsys, "run", case, *SHORT)[0] == 0
    before = contents(case)
    code, text, errors = call(capsys, "run", case, *SHORT)
    assert (code, text) == (2, "") and contents(case) == before
    assert errors == (f"{case}/out holds a finished run; give --force to replace it, or --out DIR "
                      "to write elsewhere\n")
    code, _, _ = call(capsys, "run", case, "--force", "-o", "schedule.stage.0.duration=10 min")
    assert code == 0 and open_results(case / "out").times[-1] == 600.0


def test_a_failed_run_prints_its_reason_and_keeps_it_in_the_status(capsys, case, monkeypatch):
    """No convergence in the second step: one line, exit code 3, status "failed"."""
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
    """The reason given by the system instead of a traceback, exit code 3."""
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ekm3d.output.run_directory.RunDirectory.series", full)
    code, _, errors = call(capsys, "run", case, *SHORT)
    assert code == 3 and "No space left on device" in errors and "Traceback" not in errors


# --- refusals ----------------------------------------------------------------------------------

BAD = {     # (line of the small case, its replacement, part of the message)
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


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_line_and_key(capsys, tmp_path, name):
    """Each mistake alone: case.toml:LINE: key: the mistake, the remedy.

    A mistake may give several lines (two strips, both outside); a line is one problem.
    """
    old, new, said = BAD[name]
    case = copy(tmp_path, SMALL, (old, new), far="name,x,y,z\nA,0.1,0.1,5\n", points=POINTS)
    lines = refused(capsys, case)
    assert any(said in line for line in lines)
    assert all(re.match(r"case.toml:\d+: [\w.]+: \S", line) for line in lines)


def test_an_empty_schedule_is_refused(capsys, case):
    lines = refused(capsys, case, "-o", "schedule.stage=[]")
    assert len(lines) == 1 and "the schedule is empty; add at least one" in lines[0]


def test_all_problems_are_reported_at_once(capsys, tmp_path):
    """Three mistakes, three lines on standard error, exit code 2, no out/ made."""
    case = copy(tmp_path, SMALL, *(BAD[name][:2] for name in (
        "unknown key", "species missing", "more water than pores")))
    for command in ("run", "check"):
        code, text, errors = call(capsys, command, case)
        assert (code, text) == (2, "")
        lines = errors.splitlines()
        assert all(line.startswith("case.toml:") for line in lines)
        for said in ("did you mean 'density'?", "ore.exchangeable.Fe"):
            assert sum(said in line for line in lines) == 1
    assert not (case / "out").exists()


def test_an_unwritable_directory_is_refused_before_the_run(capsys, case):
    """A folder below a regular file, where even root cannot write."""
    (case / "file").write_text("")
    lines = refused(capsys, case, "--out", case / "file" / "out")
    assert lines == [f"cannot write to {case}/file: Not a directory; give --out DIR with a "
                     "directory that you may write to"]


def test_a_directory_without_case_toml_is_refused(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "there is no case.toml in it" in refused(capsys, tmp_path / "empty")[0]


def test_missing_cuda_is_refused_with_the_reason(capsys, case):
    """No silent fall-back to a slower backend."""
    lines = refused(capsys, case, "--backend", "cuda")
    assert len(lines) == 1 and "backend 'cuda' cannot run: " in lines[0]
    assert "use --backend numpy or cpp" in lines[0]
