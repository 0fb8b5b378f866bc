"""Minerals and gases: their composition, which can be present together, whose balance they take.

A phase p is at saturation where

    ln Omega_p = sum_k nu_pk ln a_k + w_p ln a_w - ln K_p = 0        (gas: = ln of its pressure)

A gas is at its pressure always and its amount has either sign; a mineral is either at saturation
with an amount n >= 0, or undersaturated and absent. Phases present together must be independent
(rows of nu): with nu_e = sum_j lambda_j nu_j over those present, phase e is more stable than its
equivalent of them where

    ln Omega_e - sum_j lambda_j ln Omega_j > 0,

whatever the composition; it then replaces the one it exhausts first, as in the simplex method:
n_e = t, n_j -> n_j - lambda_j t, t = min n_j / lambda_j. No balance changes by that.
"""

import numpy as np

from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.chemistry.activity import LN10

DEPENDENT = 1e-9          # relative remainder of a stoichiometry that counts as 0


class Phases:
    """The M minerals and, after them, the G gases of a chemistry."""

    def __init__(self, chem):
        self.M, self.G = len(chem.minerals), len(chem.gases)
        self.count, self.hydrogen = self.M + self.G, chem.hydrogen
        K = len(chem.components)
        if len(chem.pressure_g) != self.G or not np.all(np.asarray(chem.pressure_g) > 0):
            raise ValueError(f"gases {', '.join(chem.gases)}: each needs a pressure above 0 atm; "
                             "leave out a gas that the water is closed to")
        self.nu = np.vstack([chem.nu_m.reshape(-1, K), chem.nu_g.reshape(-1, K)])
        self.water = np.append(chem.water_m, chem.water_g)
        self.constant = np.append(LN10 * chem.log_k_m,
                                  LN10 * chem.log_k_g + np.log(chem.pressure_g))
        self.gas = np.arange(self.count) >= self.M
        self._known = {}
        names, always = chem.minerals + chem.gases, np.zeros(self.count, bool)
        for p in [*range(self.M, self.count), *range(self.M)]:
            if self._share(always, p) is not None:
                raise ValueError(f"'{names[p]}': the gases at fixed pressure leave it no freedom, "
                                 "leave it out")
            always[p] = self.gas[p]
        self.independent = self.count == 0 or np.linalg.matrix_rank(self.nu) == self.count

    def _share(self, present, p):
        """lambda (count,) of phase p over those present, or None where p is independent."""
        key = present.tobytes(), p
        if key not in self._known:
            rows = np.flatnonzero(present)
            share = np.zeros(self.count)
            share[rows] = np.linalg.lstsq(self.nu[rows].T, self.nu[p], rcond=None)[0]
            rest = np.abs(share @ self.nu - self.nu[p]).max()
            depends = rest < DEPENDENT * np.abs(self.nu[p]).max()
            self._known[key] = np.where(np.abs(share) < DEPENDENT, 0.0, share) if depends else None
        return self._known[key]

    def enter(self, active, wanted, amount, saturation):
        """Let `wanted` phases (count, n) in, the most oversaturated first; changes active, amount.

        Where one depends on those present it replaces one of them, or stays out.
        """
        if self.independent:
            active |= wanted
            return
        waiting = wanted & ~active
        while waiting.any():
            voxels = np.flatnonzero(waiting.any(axis=0))
            first = np.where(waiting, saturation, -np.inf)[:, voxels].argmax(axis=0)
            waiting[first, voxels] = False
            for group in groups(np.vstack([active[:, voxels], first])):
                p, those = first[group[0]], voxels[group]
                share = self._share(active[:, those[0]], p)
                if share is None:
                    active[p, those] = True
                else:
                    self._replace(active, amount, saturation, p, share, those)

    def _replace(self, active, amount, saturation, p, share, voxels):
        """Phase p in place of the one it exhausts first, in voxels where it is more stable."""
        leaving = np.flatnonzero((share > 0) & ~self.gas)
        gain = saturation[p, voxels] - WeightedSum(share)(saturation[:, voxels])[0]
        voxels = voxels[gain > 0]
        if leaving.size == 0 or voxels.size == 0:
            return
        ratio = np.maximum(amount[np.ix_(leaving, voxels)], 0) / share[leaving, None]
        t, gone = ratio.min(axis=0), leaving[ratio.argmin(axis=0)]
        amount[:, voxels] -= share[:, None] * t
        amount[gone, voxels] = 0.0
        amount[p, voxels] += t
        active[gone, voxels] = False
        active[p, voxels] = True

    def forget_dependent(self, active, amount):
        """Empty voxels of minerals that cannot be present together; changes both."""
        if self.independent:
            return
        for group in groups(active):
            present = active[:, group[0]]
            if np.linalg.matrix_rank(self.nu[present]) < present.sum():
                active[:, group] = self.gas[:, None]
                amount[:, group] = 0.0

    def masters(self, present=None):
        """(phases, components, together): for all gases and as many minerals as can be, the
        component whose balance each takes, so that any of the minerals may be present.

        present (count,), if given: phases that must be among them; where these cannot be arranged
        so, they are the only ones, and all must be present (together).

        After the gases are eliminated the square matrix nu[minerals, components] is triangular,
        rows and columns permuted alike: found by taking, again and again, a component that one
        mineral alone holds, or a mineral that holds one component alone. Where there is none,
        or none is left for a mineral, one of the most components, the least stable, is left out.
        """
        phases, components = self.pivots(self.gas)
        nu = self.nu.copy()
        for p, k in zip(phases, components):
            others = np.arange(self.count) != p
            nu[others] -= np.outer(nu[others, k] / nu[p, k], nu[p])
        holds = np.abs(nu) > DEPENDENT
        if self.hydrogen is not None:
            holds[:, self.hydrogen] = False      # neutral minerals never need it
        users = (self.nu != 0).sum(axis=0)
        there = self.gas if present is None else present
        order = sorted(range(self.M), key=lambda p: (holds[p].sum(), self.constant[p]))
        free = sorted(set(range(nu.shape[1])) - set(components), key=lambda k: (users[k], k))
        closed = []                                  # to all that come later
        for left in ([p for p in order if there[p]], [p for p in order if not there[p]]):
            left = [p for p in left if not holds[p, closed].any()]
            while left:
                p, k = _alone(holds, left, free)
                if k is None:
                    if there[p]:
                        return *self.pivots(there), True
                    left.remove(p)
                    continue
                if holds[p, free].sum() > 1:
                    closed.append(k)
                phases.append(p)
                components.append(k)
                left.remove(p)
                free.remove(k)
        return phases, components, False

    def pivots(self, present):
        """(phases, components) for just the phases present (count,), which are independent, in
        an order of elimination with large pivots."""
        rows, nu = np.flatnonzero(present), self.nu[present].copy()
        size = np.abs(nu).max(axis=1)
        allowed = np.ones(nu.shape[1])
        if self.hydrogen is not None:
            allowed[self.hydrogen] *= 1e-3          # of the last resort
        phases, components = [], []
        for _ in rows:
            worth = np.abs(nu) / size[:, None] * allowed
            p, k = np.unravel_index(worth.argmax(), worth.shape)
            nu -= np.outer(nu[:, k] / nu[p, k], nu[p])
            nu[p], allowed[k] = 0.0, 0.0
            phases.append(int(rows[p]))
            components.append(int(k))
        return phases, components


def _alone(holds, left, free):
    """A (mineral, component) of which either is all that the other has among those left and free;
    failing that, or where a mineral has none, (a mineral to leave out, None)."""
    empty = [p for p in left if not holds[p, free].any()]
    if empty:
        return empty[-1], None
    for k in free:
        if holds[left, k].sum() == 1:
            return next(p for p in left if holds[p, k]), k
    for p in left:
        if holds[p, free].sum() == 1:
            return p, next(k for k in free if holds[p, k])
    return left[-1], None


def groups(columns):
    """Index arrays of equal columns of a table (rows, n)."""
    _, which = np.unique(columns, axis=1, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    return np.split(order, 1 + np.flatnonzero(np.diff(which[order])))
