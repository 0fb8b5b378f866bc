"""Descent of a least squares problem of which every evaluation is dear.

Minimised is |r(u)|^2 + |u|^2 between bounds of u. The step d from u is the minimum of

    |r + G d|^2 + |u + d|^2         low <= u + d <= high,  |d| <= reach

with slopes G = dr/du. Slopes are differences of runs, one run per parameter, so that they are kept:
every step corrects them to what it has found (Broyden 1965), one that leads up too: beside a bend
of r new slopes are those of one side. They are made anew after `renewed` steps, or where they
mislead: after two steps running that gained less than a quarter of what was promised, and before a
place is taken for a minimum. The reach shrinks and grows by the same measure (Levenberg and
Marquardt; More 1978). A search ends where new slopes promise next to nothing, or where four steps
from there, each 0.4 of the one before, lead nowhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

TOLERANCE = 1e-3        # of |r|^2 + |u|^2: a step that promises less is not made
REACH = 2.0             # of the first step: standard deviations of the priors

MINIMUM = "a minimum"
STOPPED = "stopped after the steps allowed"
STUCK = "no step leads down"
OLD = "new slopes are wanted"


@dataclass(frozen=True)
class End:
    """Place where a descent ended: u, r, slopes, evaluations besides those of slopes, and why.

    fresh: the slopes are those of the place; where a search is stopped they are the corrected ones.
    """

    u: np.ndarray
    r: np.ndarray
    slopes: np.ndarray
    steps: int
    reason: str
    fresh: bool


class Descent:
    """Descent with evaluations `values` and slopes `slopes` of the problem.

    values(u): r, or None where the run has failed; slopes(u): G (values, parameters). renewed:
    steps with the same slopes; most: steps at most. given: slopes of a place nearby, which steps
    correct and none are made beside; the search ends where new ones would be.
    """

    def __init__(self, values: Callable[[np.ndarray], np.ndarray | None],
                 slopes: Callable[[np.ndarray], np.ndarray],
                 bounds: tuple[np.ndarray, np.ndarray], renewed: int = 1, most: int = 20,
                 given: np.ndarray | None = None) -> None:
        self.values, self.slopes, self.given = values, slopes, given
        self.low, self.high = bounds
        self.renewed, self.most = renewed, most

    def run(self, u: np.ndarray, r: np.ndarray) -> End:
        """Return the end of the descent from u, where r is known."""
        own = g = self.slopes(u) if self.given is None else self.given
        age, reach, steps, poor, moved = 0, REACH, 0, 0, self.given is not None
        while True:
            d, cut = self.step(u, r, g, reach)
            gain = cost(u, r) - cost(u + d, r + g @ d)
            small = gain <= TOLERANCE * cost(u, r) and not cut
            if not moved and (small or poor >= 4):
                return End(u, r, own, steps, MINIMUM if small and not age else STUCK, True)
            if steps >= self.most:
                return End(u, r, g if moved else own, steps, STOPPED, not moved)
            if self.given is not None and (small or poor >= 4):
                return End(u, r, g, steps, OLD, False)
            if self.given is None and moved and (small or age >= self.renewed or poor >= 2):
                own = g = self.slopes(u)
                age, poor, reach, moved = 0, 0, max(reach, 0.5 * REACH), False
                continue
            steps += 1
            found = self.values(u + d)
            ratio = -1.0 if found is None else (cost(u, r) - cost(u + d, found)) / gain
            poor = poor + 1 if ratio < 0.25 else 0
            if ratio < 0.25:
                reach = 0.4 * float(np.linalg.norm(d))
            elif ratio > 0.75 and cut:
                reach *= 2.0
            if found is not None:
                g, age = broyden(g, d, found - r), age + 1
            if found is not None and ratio > 0:
                u, r, moved = u + d, found, True

    def step(self, u: np.ndarray, r: np.ndarray, g: np.ndarray, reach: float
             ) -> tuple[np.ndarray, bool]:
        """Return the step d from u, and whether `reach` has cut it."""
        d = self._damped(u, r, g, 0.0)
        if np.linalg.norm(d) <= reach:
            return d, False
        low, high = 0.0, 1.0
        while np.linalg.norm(self._damped(u, r, g, high)) > reach:
            low, high = high, 10.0 * high
        for _ in range(30):
            middle = 0.5 * (low + high)
            if np.linalg.norm(self._damped(u, r, g, middle)) > reach:
                low = middle
            else:
                high = middle
        return self._damped(u, r, g, high), True

    def _damped(self, u: np.ndarray, r: np.ndarray, g: np.ndarray, damping: float) -> np.ndarray:
        """Return the minimum over d with `damping` times |d|^2 added."""
        one = np.eye(u.size)
        a = np.vstack([g, one, np.sqrt(damping) * one])
        b = np.concatenate([-r, -u, np.zeros(u.size)])
        d: np.ndarray = lsq_linear(a, b, (self.low - u - 1e-12, self.high - u + 1e-12),
                                   method="bvls").x
        return np.clip(d, self.low - u, self.high - u)


def cost(u: np.ndarray, r: np.ndarray) -> float:
    """Return twice J."""
    return float(r @ r + u @ u)


def broyden(slopes: np.ndarray, du: np.ndarray, dr: np.ndarray) -> np.ndarray:
    """Return the slopes nearest to `slopes` that agree with one step: du led to dr."""
    return slopes + np.outer(dr - slopes @ du, du) / float(du @ du)
