"""Least squares of a calibration on formulas in place of runs: the evaluator's `_run` alone is
exchanged, so that minimum, covariance and ensemble can be worked out by hand.
"""

import math

import numpy as np
import pytest

from ekm3d.study.evaluations import PENALTY, Evaluation, Evaluator
from ekm3d.study.fit import STEP, Search, ensemble
from ekm3d.study.measured import Measured
from ekm3d.study.parameters import Parameter


class Formula(Evaluator):
    """Evaluator of a function of x in place of runs."""

    function = None

    def _run(self, sets):
        for x in sets:
            values = tuple(self.function(x))
            self.journal[x] = Evaluation(x, values, () if all(map(math.isfinite, values))
                                         else ("lost",))
            self.made += 1


def evaluator(function, values, count=2, width=1.0, bound=10.0):
    parameters = [Parameter(f"p{n}", False, 0.0, width, -bound, bound, {"a": "x"})
                  for n in range(count)]
    measured = [Measured(f"m{n}", "case", "q", None, v, 0.1) for n, v in enumerate(values)]
    made = Formula({"case": None}, parameters, measured, None)
    made.function = function
    return made


def test_the_minimum_of_a_linear_problem_is_that_of_the_normal_equations():
    """u = (G^T G + 1)^-1 G^T d/sd with G = A/sd; the covariance is that matrix. Exact but for the
    search's tolerance of 1e-3 of J."""
    a = np.array([[1.0, 0.5], [0.2, -2.0], [0.0, 1.0]])
    made = evaluator(lambda x: a @ x, (1.0, -1.0, 0.7))
    fit = Search(made).one(np.zeros(2))
    g = a / 0.1
    expected = np.linalg.solve(g.T @ g + np.eye(2), g.T @ np.array([1.0, -1.0, 0.7]) / 0.1)
    assert fit.u == pytest.approx(expected, abs=1e-4)
    assert fit.covariance == pytest.approx(np.linalg.inv(g.T @ g + np.eye(2)), abs=1e-6)


def test_a_combination_that_the_data_do_not_hold_is_reported():
    """Only p0 + p1 is measured: the other direction (1, -1)/sqrt 2 has S = 0, prior variance."""
    fit = Search(evaluator(lambda x: [x[0] + x[1]], (2.0,))).one(np.zeros(2))
    strength, vectors = fit.directions()
    assert strength == pytest.approx([math.sqrt(2) / 0.1, 0.0], abs=1e-6)
    assert abs(vectors[:, 1]) == pytest.approx([math.sqrt(0.5)] * 2, abs=1e-6)
    assert fit.covariance[0, 0] > 0.49


def test_given_slopes_are_corrected_and_none_are_made():
    """Slopes of the start of a weakly curved problem, a fifth off: the same minimum as with slopes
    of its own, to the tolerance of 2 J, by the steps alone and the start."""
    def function(x):
        return x[0] + 0.02 * x[1]**2, x[1] - 0.02 * x[0]**2

    own = Search(evaluator(function, (3.0, 2.0)), renewed=9).all(1, 1)[0]
    made = evaluator(function, (3.0, 2.0))
    given = Search(made, given=1.2 * np.eye(2) / 0.1).all(1, 1)[0]
    assert given.cost == pytest.approx(own.cost, rel=2e-3)
    assert not given.fresh and made.made == given.steps + 1


@pytest.mark.parametrize("renewed", [1, 3])
def test_a_curved_problem_with_and_without_new_slopes(renewed):
    """exp(x0) = 3 and x0 x1 = 1: Broyden's steps end at the same place as new slopes do, within the
    step of the difference quotient (0.1 of a width of 5)."""
    made = evaluator(lambda x: [math.exp(x[0]), x[0] * x[1]], (3.0, 1.0), width=5.0, bound=20)
    fit = Search(made, renewed, 40).one(np.array([0.1, 0.1]))
    assert fit.found.computed == pytest.approx([3.0, 1.0], abs=0.02)


def test_a_failing_run_is_a_penalty_and_the_other_side_gives_the_slope():
    """Sets with x0 > 0.5 fail: all values are PENALTY off there, and slopes are taken backwards."""
    def function(x):
        return [math.nan] * 2 if x[0] > 0.5 else [x[0], x[1]]

    made = evaluator(function, (0.48, 0.3))
    search = Search(made)
    assert (made.misfits(made([np.array([0.6, 0.0])])[0]) == PENALTY).all()
    slopes = search.slopes(np.array([0.45, 0.0]))
    assert slopes == pytest.approx(np.eye(2) / 0.1, abs=1e-9) and search.dead == ()
    fit = search.one(np.zeros(2))
    assert fit.found.computed == pytest.approx([0.48, 0.3], abs=0.01)


def test_a_parameter_whose_runs_all_fail_is_told():
    def function(x):
        return [math.nan] if x[1] != 0.0 else [x[0]]

    search = Search(evaluator(function, (0.3,)))
    assert search.slopes(np.zeros(2))[0] == pytest.approx([10.0, 0.0]) and search.dead == (1,)
    assert STEP > 0


def test_the_ensemble_of_a_linear_problem_has_the_posterior_covariance():
    """Randomised maximum likelihood samples the posterior exactly where the problem is linear, once
    the steps have grown long enough; of 2000 members the variances are known to 2 sqrt(2/2000) =
    6 %, the correlation to 0.05."""
    a = np.array([[0.1, 0.05], [0.02, -0.2]])
    made = evaluator(lambda x: a @ x, (0.05, -0.1))
    fit = Search(made).one(np.zeros(2))
    members = [m for m in ensemble(made, fit, 2000, 3, rounds=5) if m.accepted]
    assert len(members) > 1950
    found = np.cov(np.array([m.u for m in members]).T)
    assert np.diag(found) == pytest.approx(np.diag(fit.covariance), rel=0.1)
    assert np.mean([m.u for m in members], axis=0) == pytest.approx(fit.u, abs=0.06)
