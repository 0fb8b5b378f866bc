"""Numbers for readers: digits, words for what is not known, limits and ticks."""

import math

import numpy as np
import pytest

from ekm3d.view.numbers import UNKNOWN, levels, percent, round_limits, round_parts, show, ticks

SPACE = "\u00a0"


@pytest.mark.parametrize("value, text", [
    (1234.5, "1,230"), (0.0621, "0.0621"), (9.0, "9.00"), (-1.129, "−1.13"), (0.0, "0"),
    (999.9, "1,000"), (0.9996, "1.00"), (1.31e-5, f"1.31{SPACE}×{SPACE}10⁻⁵"), (None, UNKNOWN),
    (math.nan, UNKNOWN), (math.inf, UNKNOWN)])
def test_three_digits(value, text):
    assert show(value) == text


def test_units_stay_with_their_number():
    assert show(2.5, "kg") == f"2.50{SPACE}kg" and percent(0.09031) == f"9.03{SPACE}%"
    assert percent(None) == UNKNOWN


def test_limits_are_round_and_never_empty():
    assert round_limits(403.2, 1388.0) == (400.0, 1400.0)
    low, high = round_limits(5.0, 5.0)
    assert low < 5.0 < high
    assert round_limits(math.nan, 1.0) == (0.0, 1.0)
    assert round_parts(2.5, 5.5) == 6 and round_parts(0.0, 18.0) == 9


def test_ticks_and_levels_lie_within():
    assert ticks(0.0, 2.0, 4) == [0.0, 0.5, 1.0, 1.5, 2.0]
    values = np.array([math.nan, 0.0, 1.0, 2.0])
    assert levels(values, 4) and all(0.0 <= level <= 2.0 for level in levels(values, 4))
    assert levels(np.full(3, 7.0), 4) == [] and levels(np.array([math.nan]), 4) == []
