"""Chemical equilibrium in many voxels: water, exchanger and minerals from components' totals.

`Equilibrium.solve` runs Newton's method on the equations of `equilibrium`: quadratic, because
ionic strength and water activity are among its unknowns, with the minerals' complementarity as
an active set. Where the history is missing or does not help, a start without history is made:
with I, a_w and X held, the balances are the gradient of the convex function

    sum of terms - sum_k total_k ln a_k - X ln x,      subject to  ln Omega_m <= 0,

so a damped descent finds its only minimum, adding and removing one mineral at a time.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.equilibrium import LITRES, LN10, Equations, Voxels

SATURATED = 1e-10         # ln Omega that counts as 0


class ChemistryError(RuntimeError):
    """No equilibrium: `voxels` (n,) are the flat indices, `total` (K, n) their totals [mol/m3]."""

    def __init__(self, reason, components, voxels, total):
        self.voxels, self.total = voxels, total
        first = ", ".join(f"{name} {value:.6g}" for name, value in zip(components, total[:, 0]))
        super().__init__(f"{reason} in {voxels.size} voxel(s), the first is voxel {voxels[0]} "
                         f"with totals [mol/m3] {first}")


@dataclass(frozen=True)
class Sites:
    """The exchanger: X = cec + slope (pH - reference_pH), kept within `limits` times cec.

    cec [eq/m3 of bulk] and slope [eq/m3 per pH] are numbers or one value per voxel.
    """

    cec: object = 0.0
    slope: object = 0.0
    reference_pH: float = 7.0
    limits: tuple = (0.3, 2.5)


@dataclass(frozen=True)
class Result:
    """Equilibrium of n voxels."""

    c: np.ndarray                # (S, n) species, mol/m3 of water
    exchanged: np.ndarray        # (E, n) exchange species, mol/m3 of bulk
    solid: np.ndarray            # (M, n) minerals, mol/m3 of bulk
    site: np.ndarray             # (n,) X, eq/m3 of bulk
    ionic_strength: np.ndarray   # (n,) mol/l
    water_activity: np.ndarray   # (n,)
    pH: np.ndarray               # (n,) -log10 of the activity of H+; NaN in a system without it
    warm: np.ndarray             # (K + 3 + M, n) the unknowns, to start the next call with
    iterations: np.ndarray       # (n,) Newton steps
    converged: np.ndarray        # (n,) bool; all True, or ChemistryError was raised


def acidity_from_neutrality(chem, total, cec=0.0):
    """total_H [mol/m3] that makes voxels neutral: cec - sum_{k != H} z_k total_k.

    total (K, ...) mol/m3, any value in the row of H+; cec eq/m3.
    """
    others = np.array(chem.charge)
    others[chem.hydrogen] = 0.0
    return cec - np.tensordot(others, total, 1)


class Equilibrium:
    """Solves the equilibrium of one chemical system in many voxels."""

    chunk = 1024              # voxels worked on at once: their matrices fit the cache
    newton_steps = 25
    longest = 3.0             # change of a logarithm in one step
    rounds = 40               # of descent and Newton, without history
    descent_steps = 400

    def __init__(self, chem, tolerance=1e-12):
        """tolerance: of every balance, relative to the sum of its absolute terms."""
        self.chem, self.tolerance = chem, tolerance
        self.equations = Equations(chem)

    def solve(self, total, theta, sites=Sites(), warm=None):
        """Equilibrium of n voxels.

        total (K, n) mol/m3 of bulk; theta (n,) m3 of water per m3 of bulk; warm: a previous
        result's. Raises ChemistryError where there is no equilibrium or none is found.
        """
        q = self.equations
        given = self._voxels(total, theta, sites)
        n = given.cec.size
        terms = np.empty((q.S + q.E, n))
        y = np.empty((q.K + 3 + q.M, n))
        site, steps, done = np.empty(n), np.zeros(n, int), np.zeros(n, bool)

        def keep(index, state, r):
            terms[:, index], y[:, index], site[index], done[index] = r.terms, state, r.site, True

        for start in range(0, n, self.chunk):
            part = np.arange(start, min(start + self.chunk, n))
            if warm is not None:
                part = self._newton(given, part, self._revived(given, part, warm), keep, steps)
            if part.size:
                self._without_history(given, part, keep, steps)
        if not done.all():
            failed = np.flatnonzero(~done)
            raise ChemistryError("no equilibrium found", self.chem.components, failed,
                                 given.total[:, failed])
        c = terms[:q.S] * (LITRES / given.water)
        pH = np.full(n, np.nan) if q.H is None else -y[q.H] / LN10
        return Result(c, terms[q.S:], y[q.K + 3:], site, 0.5e-3 * (self.chem.z**2 @ c),
                      np.exp(y[q.K + 2]), pH, y, steps, done)

    def _voxels(self, total, theta, sites):
        total = np.asarray(total, float)
        n = total.shape[1]
        theta, cec, slope = (np.broadcast_to(np.asarray(a, float), n)
                             for a in (theta, sites.cec, sites.slope))
        sign = np.zeros_like(total)
        if self.equations.H is not None:
            sign[self.equations.H] = np.inf
        wrong = np.flatnonzero(~np.all((total >= -sign) & np.isfinite(total), axis=0)
                               | ~(theta > 0) | ~(cec >= 0))
        if wrong.size:
            raise ChemistryError("a total or the exchanger is negative or not a number, "
                                 "or there is no water,", self.chem.components, wrong,
                                 total[:, wrong])
        return Voxels(total, LITRES * theta, cec, slope, np.full(n, float(sites.reference_pH)),
                      (sites.limits[0] - 1) * cec, (sites.limits[1] - 1) * cec)

    def _revived(self, given, part, warm):
        return np.array(warm[:, part])

    def _newton(self, given, index, y, keep, steps):
        """Newton from y; hands converged voxels to `keep` and returns the others' indices."""
        q, K = self.equations, self.equations.K
        voxels = given.take(index)
        limit, last = np.full(index.size, self.longest), np.zeros((K + 1, index.size))
        active = y[K + 3:] > 0
        still = np.zeros(index.size, bool)
        for step in range(self.newton_steps + 1):
            r = q.residual(y, voxels)
            amount = y[K + 3:]
            largest = np.max(r.scale[:K], axis=0)
            chosen = np.where(amount > 0, amount / largest + r.saturation > 0,
                              r.saturation > SATURATED)
            good = (r.balanced(self.tolerance) | still & r.balanced(1e-10)) & np.all(
                (chosen == active) & (np.abs(np.where(active, r.saturation, amount)) <= SATURATED), axis=0)
            active = chosen
            if good.any():
                keep(index[good], y[:, good], r.take(good))
                left = ~good
                index = index[left]
                if not index.size:
                    break
                y, active, limit, last = y[:, left], active[:, left], limit[left], last[:, left]
                voxels, r = voxels.take(left), r.take(left)
            if step < self.newton_steps:
                change = q.step(y, active, voxels, r)
                change *= np.minimum(1.0, self.longest / np.abs(change[:K + 3]).max(axis=0))
                still = np.abs(change[:K + 3]).max(axis=0) < 1e-13
                y = y + change
                y[K + 3:][~active] = 0.0
                steps[index] += 1
        return index

    def _without_history(self, given, index, keep, steps):
        """Rounds of descent at held I, a_w, X, then Newton, for the voxels `index`."""
        q, K = self.equations, self.equations.K
        voxels = given.take(index)
        y, site = self._guess(voxels), np.zeros_like(voxels.cec)
        low, high = voxels.least.copy(), voxels.most.copy()
        for number in range(self.rounds):
            y = self._descend(voxels, y, site, steps, index)
            if not np.isfinite(y).all(): print('nan!')
            r = q.residual(y, voxels)
            share = 1.0 if number == 0 else 0.5
            strength = np.maximum(r.error[K + 1] / voxels.water + r.strength, 1e-12)
            a_w = np.maximum(np.exp(y[K + 2]) - r.error[K + 2] / voxels.water, 0.3)
            y[K + 1] += share * (np.log(np.minimum(strength, 20.)) - y[K + 1])
            y[K + 2] += share * (np.log(a_w) - y[K + 2])
            aim = r.site - voxels.cec
            low, high = np.where(aim > site, site, low), np.where(aim < site, site, high)
            aim = 0.5 * (site + aim)
            site = np.where((aim >= low) & (aim <= high), aim, 0.5 * (low + high))
            left = self._newton(given, index, y.copy(), keep, steps)
            if not left.size:
                break
            stay = np.isin(index, left)
            index, y, site, voxels = left, y[:, stay], site[stay], voxels.take(stay)
            low, high = low[stay], high[stay]

    def _guess(self, voxels):
        q, K = self.equations, self.equations.K
        y = np.zeros((K + 3 + q.M, voxels.cec.size))
        with np.errstate(divide="ignore", invalid="ignore"):
            y[:K] = np.maximum(np.log(voxels.total / voxels.water), -80)
        if q.H is not None:
            y[q.H] = -5 * LN10
        y[K + 1] = np.log(0.1)
        y[K] = 0.0
        return y

    def _descend(self, voxels, y, site, steps, index):
        """Minimum of the convex function at held I, a_w and X, with the minerals it needs."""
        q, K, H = self.equations, self.equations.K, self.equations.H
        target = np.vstack([voxels.total, voxels.cec + site])
        if H is not None:
            target[H] += site
        penalty = 10 * np.abs(q.nu_m) @ np.abs(voxels.total)
        active = y[K + 3:] > 0
        y = y.copy()
        damping = np.ones(site.size)

        def value(y, r, active):
            f = r.terms.sum(axis=0) - (np.where(np.vstack([r.absent, r.bare]), 0, y[:K + 1]) * target).sum(axis=0)
            return f + (penalty * np.abs(np.where(active, r.saturation, 0))).sum(axis=0)

        r = q.residual(y, voxels, site)
        todo = np.ones(site.size, bool)
        for _ in range(self.descent_steps):
            # active set
            amount = y[K + 3:]
            loose = r.balanced(1e-9) & np.all(~active | (np.abs(r.saturation) < 1e-9), axis=0)
            if q.M:
                cols = np.arange(site.size)
                least = np.where(active, amount, np.inf); worst = least.argmin(axis=0)
                drop = loose & (least.min(axis=0) < -1e-7 * np.abs(voxels.total).max(axis=0))
                active[worst[drop], cols[drop]] = False
                y[K + 3 + worst[drop], cols[drop]] = 0.0
                over = np.where(active, -np.inf, r.saturation); best = over.argmax(axis=0)
                add = loose & ~drop & (over.max(axis=0) > 1e-7)
                active[best[add], cols[add]] = True
                todo = ~(loose & ~drop & ~add)
                if drop.any(): r = q.residual(y, voxels, site)
            else:
                todo = ~loose
            if not todo.any():
                break
            t = np.flatnonzero(todo)
            vt, rt, at = voxels.take(t), r.take(t), active[:, t]
            change = q.step(y[:, t], at, vt, rt, damping[t])
            change *= np.minimum(1.0, 5.0 / np.abs(change[:K + 1]).max(axis=0))
            trial = y[:, t] + change
            new = q.residual(trial, vt, site[t])
            target_all = target
            target = target_all[:, t]; pen_all = penalty; penalty = pen_all[:, t]
            f0, f1 = value(y[:, t], rt, at), value(trial, new, at)
            target, penalty = target_all, pen_all
            better = (f1 <= f0 + 1e-13*rt.terms.sum(axis=0)) 
            damping[t] = np.where(better, np.maximum(damping[t] * 0.2, 1e-12), np.maximum(damping[t] * 5, 1e-3))
            g = t[better]
            y[:, g] = trial[:, better]
            for f in ('terms','error','scale','saturation','site','site_slope','strength','absent','bare'):
                getattr(r, f)[..., g] = getattr(new, f)[..., better]
            steps[index[t]] += 1
        else:
            self.stuck = index[todo]
        return y
