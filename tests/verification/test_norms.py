"""Norms of the error and the observed order."""

import numpy as np
import pytest

from ekm3d.verification import norms
from ekm3d.verification.comparison import Pairs


def test_norms_and_scales():
    """Differences 0.1 and 0.3 of expected values 1 and 2."""
    pair = Pairs("q", 0.0, np.array([1.1, 2.3]), np.array([1.0, 2.0]), None)
    for norm, scale, value in (("max", None, 0.15), ("max", 1.0, 0.3), ("mean", None, 0.1),
                               ("rms", 1.0, np.sqrt(0.05)), ("relative", 1e-9, 0.15)):
        assert norms.error([pair], norm, scale)[0] == pytest.approx(value)


def test_order_between_the_last_two_runs():
    assert norms.order([1.0, 0.4, 0.1], [1.0, 0.5, 0.25]) == pytest.approx(2.0)
    assert np.isnan(norms.order([0.1], [1.0]))
