"""Scores of samples: there and back, and means over the kriging variance."""

import numpy as np
import pytest

from ekm3d.case.scores import scores_of


@pytest.mark.parametrize("kind, parts", [("none", 1), ("log", 1), ("normal score", 1),
                                         ("parts", 2), ("parts", 3)])
def test_scores_lead_back_to_the_samples(rng, kind, parts):
    """Rotation, scaling and a logarithm: rounding only. Scores are uncorrelated, of variance 1."""
    values = rng.lognormal(-7, 0.8, (40, parts))
    scores = scores_of(values, kind)
    np.testing.assert_allclose(scores.original(scores.scores), values, rtol=1e-12)
    np.testing.assert_allclose(np.cov(scores.scores.T, bias=True).reshape(parts, parts),
                               np.eye(parts), atol=1e-12)


def test_mean_of_a_lognormal_grade():
    """exp(m + s2/2) for the logarithm with mean m, variance s2 = 0.25.

    Three points give exp(m) (2/3 + cosh(sqrt(3)/2) / 3), 1.6e-4 less.
    """
    values = np.exp(np.random.default_rng(8).normal(6, 0.9, (200, 1)))
    scores = scores_of(values, "log")
    score = np.array([[0.3]])
    spread = np.array([[0.25 / scores.back[0, 0]**2]])
    exact = np.exp(scores.mean + score @ scores.back + 0.125)
    assert scores.mean_of(score, spread) == pytest.approx(exact, rel=2e-4)
    assert scores.mean_of(score, 0 * spread) == pytest.approx(scores.original(score))


def test_parts_stay_positive_and_below_the_whole(rng):
    """Far beyond the samples, too: 30 standard deviations; the sum of three has two roundings."""
    scores = scores_of(rng.lognormal(-3, 1.0, (30, 2)), "parts")
    found = scores.original(rng.normal(0, 30, (1000, 2)))
    assert (found > 0).all() and (found.sum(axis=1) <= 1 + 4e-16).all()


def test_normal_scores_stay_among_the_samples(rng):
    values = rng.uniform(0.3, 0.5, (20, 1))
    found = scores_of(values, "normal score").original(rng.normal(0, 9, (100, 1)))
    assert found.min() >= values.min() and found.max() <= values.max()


@pytest.mark.parametrize("values, kind, message", [
    ([[1.0], [0.0]], "log", "has no logarithm"),
    ([[0.6, 0.5], [0.1, 0.1]], "parts", "sum to more")])
def test_samples_without_scores_are_refused(values, kind, message):
    with pytest.raises(ValueError, match=message):
        scores_of(np.array(values), kind)


def test_samples_that_are_all_the_same_have_no_scores():
    scores = scores_of(np.full((5, 1), 3.0), "log")
    assert scores.scores.shape == (5, 0)
    assert scores.mean_of(np.zeros((2, 0)), np.zeros((2, 0))) == pytest.approx(3.0)
