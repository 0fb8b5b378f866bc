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

from ekm3d.equilibrium import LITRES, LN10, MISSING, TRACE, Equations, Voxels

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

    chunk = 1536              # voxels worked on at once: their matrices fit the cache
    newton_steps = 25
    descent_steps = 400
    rounds = 40               # of descent and Newton, without history
    longest = 3.0             # change of a logarithm in one Newton step

    def __init__(self, chem, tolerance=1e-12):
        """tolerance: of every balance, relative to the sum of its absolute terms.

        Where rounding forbids it, 1e-10 is accepted once Newton stands still.
        """
        self.chem, self.tolerance = chem, tolerance
        self.equations = Equations(chem)

    def solve(self, total, theta, sites=Sites(), warm=None):
        """Equilibrium of n voxels.

        total (K, n) mol/m3 of bulk; theta (n,) m3 of water per m3 of bulk; warm: a previous
        result's, of the same voxels. Raises ChemistryError where there is no equilibrium.
        """
        q = self.equations
        given = self._voxels(total, theta, sites)
        n = given.cec.size
        terms = np.empty((q.S + q.E, n))
        y = np.empty((q.K + 3 + q.M, n))
        site, steps, done = np.empty(n), np.zeros(n, int), np.zeros(n, bool)

        def keep(index, state, r):
            terms[:, index], y[:, index], site[index], done[index] = r.terms, state, r.site, True

        with np.errstate(all="ignore"):       # wild trial states are refused, not warned of
            for start in range(0, n, self.chunk):
                part = np.arange(start, min(start + self.chunk, n))
                if warm is not None:
                    part = self._newton(given, part, _revived(given, part, warm), keep, steps)
                if part.size:
                    self._without_history(given, part, keep, steps)
        if not done.all():
            failed = np.flatnonzero(~done)
            raise ChemistryError("no equilibrium found", self.chem.components, failed,
                                 given.total[:, failed])
        absent = given.total <= TRACE
        if q.H is not None:
            absent[q.H] = False
        y[:q.K][absent] = MISSING
        c = terms[:q.S] * (LITRES / given.water)
        pH = np.full(n, np.nan) if q.H is None else -y[q.H] / LN10
        return Result(c, terms[q.S:], y[q.K + 3:], site, 0.5e-3 * (self.chem.z**2 @ c),
                      np.exp(y[q.K + 2]), pH, y, steps, done)

    def _voxels(self, total, theta, sites):
        """The arguments as arrays, checked."""
        q, total = self.equations, np.asarray(total, float)
        theta, cec, slope, reference = (
            np.broadcast_to(np.asarray(value, float), total.shape[1:])
            for value in (theta, sites.cec, sites.slope, sites.reference_pH))
        if total.shape[0] != q.K:
            raise ValueError(f"total has {total.shape[0]} rows, must be {q.K}, one per component")
        if cec.any() and not q.E:
            raise ValueError("there is an exchanger (cec > 0), but the chemistry has no "
                             "exchange species")
        if slope.any() and q.H is None:
            raise ValueError("the exchanger depends on pH (slope), but H+ is not a component")
        signed = np.arange(q.K) == (-1 if q.H is None else q.H)
        sound = np.all(np.isfinite(total) & ((total >= 0) | signed[:, None]), axis=0)
        sound &= (theta > 0) & (cec >= 0) & (slope >= 0)
        if not sound.all():
            wrong = np.flatnonzero(~sound)
            raise ChemistryError("a negative total, no water or a negative exchanger",
                                 self.chem.components, wrong, total[:, wrong])
        return Voxels(total, LITRES * theta, cec, slope, reference,
                      (sites.limits[0] - 1) * cec, (sites.limits[1] - 1) * cec)

    def _newton(self, given, index, y, keep, steps):
        """Newton from the states y of voxels `index`; returns those that did not converge.

        Converged ones go to `keep` and out of the arrays: one that starts converged costs a
        single evaluation.
        """
        q, K = self.equations, self.equations.K
        voxels = given.take(index)
        active, still = y[K + 3:] > 0, np.zeros(index.size, bool)
        for step in range(self.newton_steps + 1):
            r = q.residual(y, voxels)
            amount = y[K + 3:]
            chosen = np.where(amount > 0, amount / q.rarest(r.scale) + r.saturation > -SATURATED,
                              r.saturation > SATURATED)
            slack = np.abs(np.where(active, r.saturation, amount)) <= SATURATED
            good = r.balanced(self.tolerance) | still & r.balanced(1e-10)
            good &= np.all((chosen == active) & slack, axis=0)
            active = chosen
            if good.any():
                keep(index[good], y[:, good], r.take(good))
                left = ~good
                index, y, active = index[left], y[:, left], active[:, left]
                voxels, r = voxels.take(left), r.take(left)
            if step == self.newton_steps or not index.size:
                return index
            change = q.step(y, active, voxels, r)
            largest = np.abs(change[:K + 3]).max(axis=0)
            y = y + change * np.minimum(1.0, self.longest / largest)
            y[K + 3:][~active] = 0.0
            still = largest < 1e-13
            steps[index] += 1

    def _without_history(self, given, index, keep, steps):
        """Rounds of descent at held I, a_w and X, followed by Newton from where it leads.

        X, a falling function of its own consequence, is bracketed between the rounds.
        """
        q, K = self.equations, self.equations.K
        voxels = given.take(index)
        y, released = self._guess(voxels), np.zeros(index.size)
        low, high = voxels.least.copy(), voxels.most.copy()
        for number in range(self.rounds):
            reached = self._descend(voxels, y, released, index, steps)
            r = q.residual(y, voxels)
            share = 1.0 if number == 0 else 0.5
            strength = np.clip(r.strength + r.error[K + 1] / voxels.water, 1e-12, 20.0)
            a_w = np.maximum(np.exp(y[K + 2]) - r.error[K + 2] / voxels.water, 0.3)
            y[K + 1:K + 3] += share * (np.log([strength, a_w]) - y[K + 1:K + 3])
            answer = r.site - voxels.cec
            low = np.where(answer > released, released, low)
            high = np.where(answer < released, released, high)
            middle = 0.5 * (released + answer)
            released = np.where((middle >= low) & (middle <= high), middle, 0.5 * (low + high))
            left = np.isin(index, self._newton(given, index, y.copy(), keep, steps))
            if number >= 2:
                left &= reached
            if not left.any():
                return
            index, y, voxels = index[left], y[:, left], voxels.take(left)
            released, low, high = released[left], low[left], high[left]

    def _guess(self, voxels):
        """A start from above, pH 5: nothing hydrolysed, complexed or exchanged."""
        q, K = self.equations, self.equations.K
        y = np.zeros((K + 3 + q.M, voxels.cec.size))
        y[:K] = np.maximum(np.log(np.maximum(voxels.total, 0) / voxels.water), -80.0)
        if q.H is not None:
            y[q.H] = np.maximum(y[q.H], -5.0 * LN10)
        y[K + 1] = np.log(0.1)
        return y

    def _descend(self, voxels, y, released, index, steps):
        """Minimise the convex function of the module's text, X = cec + released; changes y.

        Levenberg-Marquardt steps, each accepted where the function (with a penalty on active
        minerals off saturation) falls. Minerals come and go one at a time, at a minimum of the
        others. Returns where the end was reached.
        """
        q, K = self.equations, self.equations.K
        target = np.vstack([voxels.total, voxels.cec + released])
        if q.H is not None:
            target[q.H] += released
        largest = np.abs(voxels.total).max(axis=0)
        penalty = 10 * np.abs(q.nu_m) @ np.abs(voxels.total)
        active = y[K + 3:] > 0
        damping = np.ones(index.size)
        r = q.residual(y, voxels, released)
        for _ in range(self.descent_steps):
            flat = r.balanced(1e-9) & np.all(~active | (np.abs(r.saturation) < 1e-9), axis=0)
            changed = _exchange_mineral(active, y[K + 3:], r.saturation, flat, -1e-7 * largest)
            y[K + 3:][~active] = 0.0
            todo = np.flatnonzero(~flat | changed)
            if not todo.size:
                break
            part, on, some = y[:, todo], active[:, todo], voxels.take(todo)
            old = q.residual(part, some, released[todo])
            change = q.step(part, on, some, old, damping[todo])
            length = np.abs(change[:K + 1]).max(axis=0)
            trial = part + change * np.minimum(1.0, 5.0 / length)
            new = q.residual(trial, some, released[todo])

            def value(state, at):
                held = np.where(np.vstack([at.absent, at.bare]), 0.0, state[:K + 1])
                off = np.abs(np.where(on, at.saturation, 0.0))
                return (at.terms.sum(axis=0) - np.sum(target[:, todo] * held, axis=0)
                        + np.sum(penalty[:, todo] * off, axis=0))

            noise = 1e-13 * (old.terms.sum(axis=0) + np.abs(value(part, old)))
            better = (value(trial, new) <= value(part, old) + noise) | (length < 1e-6)
            y[:, todo[better]] = trial[:, better]
            damping[todo] = np.clip(damping[todo] * np.where(better, 0.2, 5.0),
                                    np.where(better, 1e-12, 1e-3), 1e12)
            steps[index[todo]] += 1
            r = q.residual(y, voxels, released)
        return ~np.isin(np.arange(index.size), todo)


def _revived(given, part, warm):
    """The warm states of some voxels, with a start for components that were absent."""
    y = np.array(warm[:, part])
    total = given.total[:, part]
    u = y[:len(total)]
    new = (u <= MISSING) & (total > 0)
    u[new] = np.log(total / given.water[part])[new]
    return y


def _exchange_mineral(active, amount, saturation, where, least):
    """In voxels `where`: drop the most negative mineral, or else add the most oversaturated.

    Changes active (M, n); returns the voxels (n,) in which it did.
    """
    if not len(active):
        return np.zeros_like(where)
    every = np.arange(where.size)
    held, free = np.where(active, amount, np.inf), np.where(active, -np.inf, saturation)
    drop = where & (held.min(axis=0) < least)
    add = where & ~drop & (free.max(axis=0) > 1e-7)
    active[held.argmin(axis=0)[drop], every[drop]] = False
    active[free.argmax(axis=0)[add], every[add]] = True
    return drop | add
