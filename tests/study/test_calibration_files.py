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


def test_slopes_of_something_else_are_refused(other, tmp_path):
    """Other priors, a value that it lacks, no calibration."""
    with pytest.raises(InputError, match="its parameters or their priors are others"):
        slopes(other, calibration(replace(TAU, width=0.2)))
    with pytest.raises(InputError, match="it has no value 'last'"):
        slopes(other, calibration(values=[Measured("last", "a", "q", None, 1.0, 0.1)]))
    with pytest.raises(InputError, match="holds no calibration that has ended"):
        slopes(tmp_path / "none", calibration())
