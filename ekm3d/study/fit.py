"""Least squares of a calibration: the most probable set, what the data fix, and an ensemble.

With misfits r of the measured values and coordinates u of the parameters (standard normal priors)

    2 J(u) = |r(u)|^2 + |u|^2                                   minus the logarithm of the posterior
    covariance of u at the minimum: (G^T G + 1)^-1,  G = dr/du

G = U S V^T: a direction V_k is fixed by the data where S_k is above 1; its variance is
1/(1 + S_k^2) of the prior's. The ensemble is that of randomised maximum likelihood (Oliver, He and
Reynolds 1996): every member has measured values and prior means drawn from their distributions, and
minimises the same function with these.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ekm3d.study.descent import MINIMUM, Descent, broyden, cost
from ekm3d.study.evaluations import Evaluation, Evaluator
from ekm3d.study.parameters import starts

STEP = 0.1              # of u in a difference quotient: a tenth of the prior's standard deviation
REACH = 1.5             # of the first step of a member, in standard deviations of the priors


@dataclass(frozen=True)
class Fit:
    """End of one search: u and its evaluation, twice J, G (values, parameters), dead directions.

    dead: numbers of parameters of whose difference quotients both runs have failed; reason: why the
    search ended; steps: sets that it tried besides those for slopes; fresh: the slopes are those of
    u, and not followed from others on the way there.
    """

    u: np.ndarray
    found: Evaluation
    cost: float
    slopes: np.ndarray
    dead: tuple[int, ...] = ()
    reason: str = MINIMUM
    steps: int = 0
    fresh: bool = True

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of u, with the prior."""
        return np.linalg.inv(self.slopes.T @ self.slopes + np.eye(self.u.size))

    def directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return S (parameters,), zeros where there are fewer values, and V (parameters, k)."""
        _, s, v = np.linalg.svd(self.slopes, full_matrices=True)
        return np.concatenate([s, np.zeros(self.u.size - s.size)]), v.T


class Search:
    """Searches for the most probable set.

    renewed: number of steps after which the slopes are computed anew; between, they follow from the
    steps taken. 1: always anew. most: sets per search besides those for slopes. given: slopes of a
    place nearby, in place of any that are made.
    """

    def __init__(self, evaluator: Evaluator, renewed: int = 1, most: int = 20,
                 given: np.ndarray | None = None) -> None:
        self.evaluator, self.renewed, self.most = evaluator, max(1, renewed), most
        self.given = given
        self.low, self.high = np.array([p.bounds for p in evaluator.parameters]).T
        self.dead: tuple[int, ...] = ()

    def all(self, count: int, seed: int) -> list[Fit]:
        """Return the ends of `count` searches, the best first, with slopes of its own.

        Where slopes were given, they are those that its steps have corrected.
        """
        places = starts(self.evaluator.parameters, count, seed)
        self.evaluator(places)                                  # all at once
        best, *others = sorted((self.one(u) for u in places), key=lambda fit: fit.cost)
        if not best.fresh and self.given is None:
            slopes = self.slopes(best.u)
            best = replace(best, slopes=slopes, dead=self.dead, fresh=True)
        return [best, *others]

    def one(self, start: np.ndarray) -> Fit:
        """Return the end of the search from u = start."""
        descent = Descent(self._values, self.slopes, (self.low, self.high), self.renewed, self.most,
                          self.given)
        end = descent.run(start, self.evaluator.misfits(self.evaluator([start])[0]))
        found = self.evaluator([end.u])[0]
        return Fit(end.u, found, cost(end.u, end.r), end.slopes, self.dead, end.reason,
                   end.steps, end.fresh)

    def _values(self, u: np.ndarray) -> np.ndarray | None:
        """Return r at u; None where a run has failed."""
        found = self.evaluator([u])[0]
        return None if found.failed else self.evaluator.misfits(found)

    def slopes(self, u: np.ndarray) -> np.ndarray:
        """Return G (values, parameters) at u, the runs at once; forwards, away from a bound.

        Where a run fails, the other side is tried; where that fails as well the slope is zero.
        """
        size = u.size
        sign = STEP * np.where(u + STEP < self.high, 1.0, -1.0)
        sets = u + np.diag(sign)
        base, *found = self.evaluator([u, *sets])
        again = [n for n in range(size) if found[n].failed
                 and self.low[n] < u[n] - sign[n] < self.high[n]]
        for n, other in zip(again, self.evaluator(
                [u - sign[n] * np.eye(size)[n] for n in again]), strict=True):
            found[n], sign[n] = other, -sign[n]
        self.dead = tuple(n for n in range(size) if found[n].failed or base.failed)
        out = np.zeros((len(self.evaluator.measured), size))
        for n in range(size):
            if n not in self.dead:
                out[:, n] = (self.evaluator.misfits(found[n]) - self.evaluator.misfits(base)) \
                    / sign[n]
        return out


@dataclass(frozen=True)
class Member:
    """Member of an ensemble: u, its evaluation, twice J with its own draws, and that of the fit.

    accepted: its runs came to their end, and J is below that of the fit with the same draws.
    """

    u: np.ndarray
    found: Evaluation
    cost: float
    cost_of_fit: float

    @property
    def accepted(self) -> bool:
        """True for a set that counts."""
        return not self.found.failed and self.cost < self.cost_of_fit


def ensemble(evaluator: Evaluator, fit: Fit, count: int, seed: int, rounds: int = 3
             ) -> list[Member]:
    """Return `count` members of randomised maximum likelihood around a fit.

    Steps of Gauss and Newton from the fit's set with its slopes, all members at once, `rounds` of
    them, the first no longer than REACH; between the rounds slopes follow from the steps taken. The
    best set of a member counts. Where members are still on their way they spread less than they
    should.
    """
    generator = np.random.default_rng(seed)
    low, high = np.array([p.bounds for p in evaluator.parameters]).T
    values = np.array([m.value for m in evaluator.measured])
    sd = np.array([m.sd for m in evaluator.measured])
    drawn = values + sd * generator.standard_normal((count, values.size))
    middle = generator.standard_normal((count, fit.u.size))
    states = [_State(evaluator, fit, drawn[n], middle[n]) for n in range(count)]
    for _ in range(rounds):
        places = [np.clip(state.next(), low, high) for state in states]
        for state, u, found in zip(states, places, evaluator(places), strict=True):
            state.take(u, found)
    return [state.member() for state in states]


class _State:
    """Search of one member."""

    def __init__(self, evaluator: Evaluator, fit: Fit, values: np.ndarray, middle: np.ndarray):
        self.evaluator, self.values, self.middle = evaluator, values, middle
        self.u, self.found, self.g = fit.u, fit.found, fit.slopes
        self.first = self.cost = self._cost(fit.u, fit.found)
        self.reach = REACH

    def _cost(self, u: np.ndarray, found: Evaluation) -> float:
        r = self.evaluator.misfits(found, self.values)
        return float(r @ r + (u - self.middle) @ (u - self.middle))

    def next(self) -> np.ndarray:
        """Return where the slopes have the minimum, or a part of the way there."""
        r = self.evaluator.misfits(self.found, self.values)
        step = np.linalg.solve(self.g.T @ self.g + np.eye(self.u.size),
                               -self.g.T @ r - (self.u - self.middle))
        return self.u + step * min(1.0, self.reach / max(float(np.linalg.norm(step)), 1e-30))

    def take(self, u: np.ndarray, found: Evaluation) -> None:
        """Go to u if that is better, and further the next time; else less far."""
        cost, du = self._cost(u, found), u - self.u
        if not found.failed and du @ du > 0:
            self.g = broyden(self.g, du, self.evaluator.misfits(found, self.values)
                             - self.evaluator.misfits(self.found, self.values))
        if cost < self.cost:
            self.u, self.found, self.cost = u, found, cost
            self.reach *= 2.0
        else:
            self.reach = 0.4 * float(np.linalg.norm(du))

    def member(self) -> Member:
        """Return the best set."""
        return Member(self.u, self.found, self.cost, self.first)


def shares(fits: Sequence[Fit]) -> np.ndarray:
    """Return sd of every parameter over that of its prior, of the best fit: 1 tells no news."""
    return np.sqrt(np.diag(fits[0].covariance))
