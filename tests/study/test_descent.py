"""Descent of least squares on formulas: minima known beforehand, and evaluations counted."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from ekm3d.study.descent import MINIMUM, STOPPED, STUCK, Descent, broyden, cost

WIDE = (np.full(2, -20.0), np.full(2, 20.0))


class Problem:
    """r(u) of a formula, with a count of evaluations; slopes are differences."""

    def __init__(self, function):
        self.function, self.count, self.renewals = function, 0, 0

    def values(self, u):
        self.count += 1
        return self.function(u)

    def slopes(self, u):
        self.renewals += 1
        base = self.function(u)
        self.count += u.size
        return np.array([(self.function(u + 1e-4 * e) - base) / 1e-4 for e in np.eye(u.size)]).T

    def run(self, start, bounds=WIDE, **how):
        u = np.array(start, float)
        return Descent(self.values, self.slopes, bounds, **how).run(u, self.function(u))


def banana(u):
    """Residuals of a curved valley."""
    return np.array([10.0 * (u[1] - 0.2 * u[0]**2 - 1.0), 3.0 * (u[0] - 2.0)])


@pytest.mark.parametrize("renewed", [1, 100])
def test_a_curved_valley_ends_where_scipy_ends(renewed):
    """With slopes made anew and with corrected ones: the same minimum, to the tolerance of 2 J."""
    problem = Problem(banana)
    end = problem.run([-3.0, 3.0], renewed=renewed, most=60)
    known = least_squares(lambda u: np.concatenate([banana(u), u]), [-3.0, 3.0], xtol=1e-12)
    assert end.reason == MINIMUM
    assert cost(end.u, end.r) == pytest.approx(2.0 * known.cost, rel=2e-3)
    assert cost(end.u, end.r) >= 2.0 * known.cost * (1.0 - 1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_corrected_slopes_save_evaluations(seed):
    """Twelve parameters, four values, weakly curved: fewer evaluations than slopes made anew after
    every step, for the same minimum."""
    generator = np.random.default_rng(seed)
    a, b = generator.standard_normal((4, 12)), 0.05 * generator.standard_normal((4, 12))
    ends, counts = [], []
    for renewed in (1, 4):
        problem = Problem(lambda u: 6.0 * (a @ u + b @ u**2 - 3.0))
        bounds = (np.full(12, -9.0), np.full(12, 9.0))
        ends.append(problem.run(np.ones(12), bounds, renewed=renewed, most=60))
        counts.append(problem.count)
    assert cost(ends[1].u, ends[1].r) == pytest.approx(cost(ends[0].u, ends[0].r), rel=2e-3)
    assert counts[1] < 0.85 * counts[0], counts


@pytest.mark.parametrize("seed, least", [(6, 0.164), (8, 0.290)])
def test_a_search_from_a_bend_follows_the_other_side(seed, least):
    """Eight parameters, three values with a bend at w u = const, where the search begins: slopes
    are those of the side above. Rejected steps correct them; without, searches ended at `least`."""
    generator = np.random.default_rng(seed)
    a, w, c = (generator.standard_normal(shape) for shape in ((3, 8), 8, 3))
    problem = Problem(lambda u: 5.0 * (a @ u - 0.6) + 25.0 * c * max(0.0, -(w @ (u - 0.3))))
    end = problem.run(np.full(8, 0.3), (np.full(8, -20.0), np.full(8, 20.0)), renewed=6, most=40)
    assert end.reason == MINIMUM and cost(end.u, end.r) < 0.7 * least


def test_a_bound_holds_and_the_other_parameter_is_the_best_beside_it():
    """r = 10 (u0 + u1 - 4) with u0 <= 1: u1 = 10 * 30/101, the minimum of 100 (u1 - 3)^2 + u1^2."""
    problem = Problem(lambda u: np.array([10.0 * (u[0] + u[1] - 4.0)]))
    end = problem.run([0.0, 0.0], (np.full(2, -5.0), np.array([1.0, 5.0])))
    assert end.u == pytest.approx([1.0, 300.0 / 101.0], abs=1e-3) and end.u[0] <= 1.0


def test_runs_that_fail_shorten_the_step():
    """Nothing can be evaluated from u0 = 1 on, and the minimum lies at 4/1.01: the search ends
    before the edge, and says that it is no minimum."""
    problem = Problem(lambda u: None if u[0] >= 1.0 else np.array([10.0 * (u[0] - 4.0), u[1]]))
    problem.slopes = lambda u: np.array([[10.0, 0.0], [0.0, 1.0]])
    end = problem.run([0.0, 0.0], most=30)
    assert 0.9 < end.u[0] < 1.0 and end.reason in (STUCK, STOPPED)


def test_no_place_is_a_minimum_by_old_slopes():
    """Slopes are made anew before the search ends, so that they are those of its end."""
    problem = Problem(banana)
    end = problem.run([1.0, 1.0], renewed=100, most=60)
    assert problem.renewals >= 2
    assert end.slopes == pytest.approx(problem.slopes(end.u), abs=1e-3)


def test_the_steps_allowed_are_the_most():
    problem = Problem(banana)
    end = problem.run([-8.0, 9.0], renewed=9, most=2)
    assert end.steps == 2 and end.reason == STOPPED and not end.fresh


def test_broyden_keeps_what_a_step_does_not_touch():
    """The new slopes give the step exactly, and the old ones at a right angle to it."""
    new = broyden(np.array([[1.0, 2.0]]), np.array([0.5, 0.0]), np.array([1.0]))
    assert new == pytest.approx(np.array([[2.0, 2.0]]))
