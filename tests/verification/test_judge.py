"""Judgement of runs: nan, and other programs that are closer."""

import numpy as np

from ekm3d.verification import norms
from ekm3d.verification.comparison import Pairs
from ekm3d.verification.judge import Outcome


def test_nan_in_the_error_never_passes():
    pairs = [Pairs("q", t, np.array([v]), np.array([1.0]), None)
             for t, v in ((0.0, 1.0), (1.0, np.nan), (2.0, 1.1))]
    outcome = Outcome("c", "f", "w", required=1.0,
                      errors=[norms.error(pairs, "max", None)[0]])
    assert np.isnan(outcome.error) and not outcome.passed


def test_a_closer_peer_fails_the_case():
    outcome = Outcome("c", "f", "w", required=1.0, errors=[0.2], peers=[("p", 50, 0.1, 0.2)])
    assert not outcome.passed
