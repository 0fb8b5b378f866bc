"""Evaluations of a calibration that take what another one has run; runs are stood in for."""

import numpy as np
import pytest

from ekm3d.errors import InputError
from ekm3d.study import evaluations
from ekm3d.study.evaluations import Evaluator
from ekm3d.study.measured import Measured
from ekm3d.study.parameters import Parameter
from ekm3d.study.runs import Outcome

TAU = Parameter("tau", False, 0.5, 0.1, 0.0, 1.0, {"ore.tortuosity": "x"})
LONG = Measured("long", "a", "q", None, 1.0, 0.1)
SHORT = Measured("short", "b", "q", None, 2.0, 0.1)


@pytest.fixture
def runs(monkeypatch):
    """Stand-in of the runs: their values are 10 tau; the list has (case, tau) of every one."""
    made = []

    def run_all(plan, points, tell):
        plan.out.mkdir()
        made.extend((plan.case.name, point.overrides[0].split("=")[1]) for point in points)
        return [Outcome(point, point.overrides[0].split("=")[1], {"q": 1}) for point in points]

    monkeypatch.setattr(evaluations, "run_all", run_all)
    monkeypatch.setattr(evaluations, "computed", lambda quantity, directory, time:
                        10.0 * float(directory))
    return made


def calibration(folder, out, measured, cases="ab", **how):
    for label in cases:
        (folder / label).mkdir(exist_ok=True)
        (folder / label / "case.toml").write_text("title = 'made up'\n", encoding="utf-8")
    made = Evaluator({label: folder / label for label in cases}, [how.pop("tau", TAU)], measured,
                     folder / out, tell=lambda _: None, **how)
    made.open()
    return made


def test_a_case_that_is_added_is_all_that_runs(tmp_path, runs):
    """Sets of 0.5 and 0.6 have been run of `a`: with `b` beside it only `b` is run, and `a` of 0.7;
    both hold the values that a calibration of its own computes."""
    calibration(tmp_path, "first", [LONG], "a")([np.zeros(1), np.ones(1)])
    runs.clear()
    joint = calibration(tmp_path, "joint", [LONG, SHORT], other=tmp_path / "first")
    found = joint([np.zeros(1), np.ones(1), 2.0 * np.ones(1)])
    assert runs == [("a", "0.7"), ("b", "0.5"), ("b", "0.6"), ("b", "0.7")]
    assert [e.computed for e in found] == [(5.0, 5.0), (6.0, 6.0), (7.0, 7.0)]


def test_a_run_that_failed_there_is_made_again(tmp_path, runs):
    """Its line of the journal has no number: nothing is taken from it."""
    calibration(tmp_path, "first", [LONG], "a")([np.zeros(1)])
    journal = tmp_path / "first" / "journal.jsonl"
    journal.write_text(journal.read_text().replace("[5.0]", "[null]"))
    runs.clear()
    calibration(tmp_path, "joint", [LONG, SHORT], other=tmp_path / "first")([np.zeros(1)])
    assert runs == [("a", "0.5"), ("b", "0.5")]


def test_what_cannot_be_taken_is_told(tmp_path, runs):
    """Other parameters, another target of the case, no calibration at all."""
    calibration(tmp_path, "first", [LONG], "a")([np.zeros(1)])
    other = tmp_path / "first"
    wide = Parameter("tau", False, 0.5, 0.2, 0.0, 1.0, {"ore.tortuosity": "x"})
    with pytest.raises(InputError, match="its parameters, or its -o, are others"):
        calibration(tmp_path, "second", [LONG], "a", tau=wide, other=other)
    changed = Measured("long", "a", "q", None, 1.0, 0.2)
    with pytest.raises(InputError, match="none of the cases as they are here"):
        calibration(tmp_path, "second", [changed], "a", other=other)
    with pytest.raises(InputError, match="holds no calibration"):
        calibration(tmp_path, "second", [LONG], "a", other=tmp_path)
    for wrong in ("[]", "null", '{"parameters": []}'):
        (other / "setup.json").write_text(wrong)
        with pytest.raises(InputError, match="holds no calibration"):
            calibration(tmp_path, "second", [LONG], "a", other=other)


def test_a_line_that_was_cut_short_there_is_made_again(tmp_path, runs):
    """As a calibration leaves it that was killed while it wrote: the lines before it are taken."""
    calibration(tmp_path, "first", [LONG], "a")([np.zeros(1), np.ones(1)])
    journal = tmp_path / "first" / "journal.jsonl"
    journal.write_text(journal.read_text()[:-5])
    runs.clear()
    again = calibration(tmp_path, "second", [LONG], "a", other=tmp_path / "first")
    again([np.zeros(1), np.ones(1)])
    assert runs == [("a", "0.6")]
