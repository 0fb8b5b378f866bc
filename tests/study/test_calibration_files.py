"""Slopes of a finished calibration, taken by another one of the same values."""

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest

from ekm3d.errors import InputError
from ekm3d.study.calibration_files import slopes
from ekm3d.study.measured import Measured
from ekm3d.study.parameters import Parameter

TAU = Parameter("tau", False, 0.5, 0.1, 0.0, 1.0, {"ore.tortuosity": "x"}, start=0.4)
VALUES = [Measured(name, "a", "q", None, 1.0, 0.1) for name in ("early", "late")]


@pytest.fixture
def other(tmp_path):
    """Directory of a calibration with two values and one parameter."""
    (tmp_path / "fit.json").write_text(json.dumps({
        "computed": {"early": 1.0, "late": 2.0}, "slopes": [[3.0], [4.0]],
        "parameters": [asdict(TAU)]}), encoding="utf-8")
    return tmp_path


def calibration(parameter=TAU, values=VALUES):
    return SimpleNamespace(parameters=[parameter], measured=values)


def test_rows_are_those_of_the_values_in_their_order(other):
    """Another start is the reason to ask for them; of two values in turn the rows are in turn."""
    found = slopes(other, calibration(replace(TAU, start=0.6), VALUES[::-1]))
    np.testing.assert_array_equal(found, [[4.0], [3.0]])


@pytest.mark.parametrize("text, words", [
    (None, "fit.json cannot be read: No such file or directory"),
    ("{", "fit.json is not JSON"), ("[1, 2]", "no 'computed' and no 'parameters' and no 'slopes'"),
    ('{"parameters": [], "slopes": []}', "it has no 'computed'"),
    ('{"computed": 3, "parameters": [], "slopes": []}', "no slope of every value"),
    ('{"computed": {"a": 1}, "parameters": [{}], "slopes": [[null]]}', "no slope of every value"),
    ('{"computed": {"a": 1}, "parameters": [{}], "slopes": [[1, 2]]}', "no slope of every value")])
def test_a_file_that_is_no_fit_is_told_in_one_clear_line(tmp_path, text, words):
    """The message says what is wrong and what would be right, without words of Python."""
    if text is not None:
        (tmp_path / "fit.json").write_text(text)
    with pytest.raises(InputError) as told:
        slopes(tmp_path, calibration())
    line = str(told.value)
    assert line.startswith(f"--slopes {tmp_path}: ") and words in line and "\n" not in line
    assert line.endswith("--slopes takes the results of `ekm3d calibrate`, the DIR of its --out, "
                         "after it has ended")
    assert not any(word in line for word in ("Error", "list indices", "NoneType", "subscriptable"))


def test_slopes_of_something_else_are_refused(other, tmp_path):
    """Other priors, a value that it lacks, no calibration."""
    with pytest.raises(InputError, match="its parameters or their priors are others"):
        slopes(other, calibration(replace(TAU, width=0.2)))
    with pytest.raises(InputError, match="it has no value 'last'"):
        slopes(other, calibration(values=[Measured("last", "a", "q", None, 1.0, 0.1)]))
    with pytest.raises(InputError, match="after it has ended"):
        slopes(tmp_path / "none", calibration())
