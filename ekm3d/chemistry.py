"""Chemical equilibrium in many voxels: water, exchangers, minerals, gases from components' totals.

`Equilibrium.solve` runs Newton's method on the equations of `equilibrium`: quadratic, because
ionic strength and water activity are among its unknowns, with the minerals' complementarity as
an active set. Where the history is missing or does not help, a start without history is made
(see `descent`). Redox is frozen: valences of an element are components of their own.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d import newton
from ekm3d.activity import LN10
from ekm3d.descent import descend, guess
from ekm3d.equilibrium import LITRES, MISSING, Equations
from ekm3d.exchangers import Sites, Voxels

SATURATED = 1e-10         # ln Omega that counts as 0


class ChemistryError(RuntimeError):
    """No equilibrium: `voxels` (n,) are the flat indices, `total` (K, n) their totals [mol/m3];
    where: their places, as text, if known."""

    def __init__(self, reason, components, voxels, total, where=""):
        self.reason, self.voxels, self.total = reason, voxels, total
        first = ", ".join(f"{name} {value:.6g}" for name, value in zip(components, total[:, 0]))
        super().__init__(f"{reason} in {voxels.size} voxel(s), the first is voxel {voxels[0]} "
                         f"with totals [mol/m3] {first}" + (f"; at {where}" if where else ""))


@dataclass(frozen=True)
class Result:
    """Equilibrium of n voxels."""

    c: np.ndarray                # (S, n) species, mol/m3 of water
    exchanged: np.ndarray        # (E, n) exchange species, mol/m3 of bulk
    solid: np.ndarray            # (M, n) minerals, mol/m3 of bulk
    site: np.ndarray             # (n,) X, eq/m3 of bulk; (N, n) with several exchangers
    ionic_strength: np.ndarray   # (n,) mol/l
    water_activity: np.ndarray   # (n,)
    pH: np.ndarray               # (n,) -log10 of the activity of H+; NaN in a system without it
    warm: np.ndarray             # (U, n) the unknowns, to start the next call with
    iterations: np.ndarray       # (n,) Newton steps
    converged: np.ndarray        # (n,) bool; all True, or ChemistryError was raised
    gas: np.ndarray              # (G, n) taken up from the gases, not part of the totals given,
    #                              mol/m3 of bulk: nu_g^T gas is to be added to these
    restarts: np.ndarray         # (n,) rounds of a start without history; 0 where the warm one led


def acidity_from_neutrality(chem, total, cec=0.0):
    """total_H [mol/m3] that makes voxels neutral: cec - sum_{k != H} z_k total_k.

    total (K, ...) mol/m3, any value in the row of H+; cec eq/m3, of all exchangers together.
    """
    others = np.array(chem.charge)
    others[chem.hydrogen] = 0.0
    return cec - np.tensordot(others, total, 1)


class _Found:
    """What has been solved so far, filled in as voxels converge."""

    def __init__(self, equations, n):
        q = equations
        self.terms, self.y = np.empty((q.S + q.E, n)), np.empty((q.B + q.phases.count, n))
        self.site, self.done = np.empty((q.N, n)), np.zeros(n, bool)
        self.steps, self.restarts = np.zeros(n, int), np.zeros(n, int)

    def keep(self, index, y, r):
        """Voxels `index` converged at states y, where the residual is r."""
        self.put(index, y, r.terms, r.site)

    def put(self, index, y, terms, site):
        """The same, with the terms and X of that residual."""
        self.terms[:, index], self.y[:, index], self.site[:, index] = terms, y, site
        self.done[index] = True


class Equilibrium:
    """Solves the equilibrium of one chemical system in many voxels."""

    chunk = 1536              # voxels worked on at once: their matrices fit the cache
    newton_steps = 25
    rounds = 40               # of descent and Newton, without history
    longest = 3.0             # change of a logarithm in one Newton step

    def __init__(self, chem, tolerance=1e-12, backend=None):
        """tolerance: of every balance, relative to the sum of its absolute terms; backend: may
        have Newton's method in compiled code (see `newton`).

        Where rounding forbids it, 1e-10 is accepted once Newton stands still. The remainder is
        in the species only: totals are the caller's, and are what mass is counted by.
        """
        self.chem, self.tolerance = chem, tolerance
        self.equations = Equations(chem)
        self.compiled = newton.compiled(self.equations, backend)

    def solve(self, total, theta, sites=Sites(), warm=None):
        """Equilibrium of n voxels.

        total (K, n) mol/m3 of bulk; theta (n,) m3 of water per m3 of bulk; warm: a previous
        result's, of the same voxels. Raises ChemistryError where there is no equilibrium.
        """
        q = self.equations
        given = self._voxels(total, theta, sites)
        n = given.water.size
        found = _Found(q, n)
        with np.errstate(all="ignore"):       # wild trial states are refused, not warned of
            todo = np.arange(n)
            if warm is not None and self.compiled:
                todo, warm = self._compiled_newton(given, warm, found)
            for start in range(0, todo.size, self.chunk):
                part = todo[start:start + self.chunk]
                if warm is not None:
                    part = self._newton(given, part, self._revived(given, part, warm), found)
                if part.size:
                    self._without_history(given, part, found)
        if not found.done.all():
            failed = np.flatnonzero(~found.done)
            raise ChemistryError("no equilibrium found", self.chem.components, failed,
                                 given.total[:, failed])
        y = found.y
        y[:q.K][q.absent(given.total)] = MISSING
        c = found.terms[:q.S] * (LITRES / given.water)
        pH = np.full(n, np.nan) if q.H is None else -y[q.H] / LN10
        return Result(
            c=c, exchanged=found.terms[q.S:] / q.exchangers.per[:, None],
            solid=y[q.B:q.B + q.M], site=found.site[0] if q.N == 1 else found.site,
            ionic_strength=0.5e-3 * (self.chem.z**2 @ c), water_activity=np.exp(y[q.W]), pH=pH,
            warm=y[:q.B + q.M], iterations=found.steps, converged=found.done,
            gas=-y[q.B + q.M:], restarts=found.restarts)

    def _voxels(self, total, theta, sites):
        """The arguments as arrays, checked."""
        q, total = self.equations, np.asarray(total, float)
        if total.shape[0] != q.K:
            raise ValueError(f"total has {total.shape[0]} rows, must be {q.K}, one per component")
        n = total.shape[1:]
        theta = np.broadcast_to(np.asarray(theta, float), n)
        if q.N > 1 and np.ndim(sites.cec) < 2 and np.any(sites.cec):
            raise ValueError(f"cec: there are {q.N} exchangers, give a row for each")
        cec, slope, reference = (np.broadcast_to(np.asarray(value, float), (q.N, *n))
                                 for value in (sites.cec, sites.slope, sites.reference_pH))
        for i in range(q.N):
            if cec[i].any() and not q.exchangers.on[:, i].any():
                name = f" '{self.chem.exchangers[i]}'" if self.chem.exchangers else ""
                raise ValueError(f"there is an exchanger{name} (cec > 0), but the chemistry has "
                                 "no exchange species for it")
        if slope.any() and q.H is None:
            raise ValueError("the exchanger depends on pH (slope), but H+ is not a component")
        signed = np.arange(q.K) == (-1 if q.H is None else q.H)
        sound = np.all(np.isfinite(total) & ((total >= 0) | signed[:, None]), axis=0)
        sound &= (theta > 0) & np.all((cec >= 0) & (slope >= 0), axis=0)
        if not sound.all():
            wrong = np.flatnonzero(~sound)
            raise ChemistryError("a negative total, no water or a negative exchanger",
                                 self.chem.components, wrong, total[:, wrong])
        return Voxels(total, LITRES * theta, cec, slope, reference,
                      (sites.limits[0] - 1) * cec, (sites.limits[1] - 1) * cec)

    def _revived(self, given, part, warm):
        """The warm states of some voxels, with a start for components that were absent."""
        q = self.equations
        y = np.vstack([warm[:, part], np.zeros((q.phases.G, part.size))])
        total = given.total[:, part]
        u = y[:q.K]
        new = (u <= MISSING) & (total > 0)
        u[new] = np.log(total / given.water[part])[new]
        return y

    def _compiled_newton(self, given, warm, found):
        """Newton in compiled code for the voxels that hold all components.

        Returns the voxels that are left, and warm states for another try in NumPy: None unless
        some were left out here.
        """
        whole = np.flatnonzero(~self.equations.absent(given.total).any(axis=0))
        y, terms, site, steps, done = self.compiled(
            given.take(whole), self._revived(given, whole, warm), self.tolerance)
        found.put(whole[done], y[:, done], terms[:, done], site[:, done])
        found.steps[whole] += steps
        todo = np.flatnonzero(~found.done)
        return todo, warm if whole.size < found.done.size else None

    def _newton(self, given, index, y, found):
        """Newton from the states y of voxels `index`; returns those that did not converge.

        Converged ones go to `found` and out of the arrays: one that starts converged costs a
        single evaluation.
        """
        q, B, phases = self.equations, self.equations.B, self.equations.phases
        voxels = given.take(index)
        active, still = (y[B:] > 0) | phases.gas[:, None], np.zeros(index.size, bool)
        phases.forget_dependent(active, y[B:])
        for step in range(self.newton_steps + 1):
            r = q.residual(y, voxels)
            wanted, amount, excess = active.copy(), y[B:B + q.M], r.saturation[:q.M]
            wanted[:q.M] = np.where(amount > 0, amount / q.rarest(r.scale) + excess > -SATURATED,
                                    excess > SATURATED)
            chosen = active & wanted
            phases.enter(chosen, wanted, y[B:], r.saturation)
            slack = np.abs(np.where(active, r.saturation, y[B:])) <= SATURATED
            good = r.balanced(self.tolerance) | still & r.balanced(1e-10)
            good &= np.all((chosen == active) & slack, axis=0)
            active = chosen
            if good.any():
                found.keep(index[good], y[:, good], r.take(good))
                left = ~good
                index, y, active = index[left], y[:, left], active[:, left]
                voxels, r = voxels.take(left), r.take(left)
            if step == self.newton_steps or not index.size:
                return index
            change = q.step(y, active, voxels, r)
            largest = np.abs(change[:B]).max(axis=0)
            y = y + change * np.minimum(1.0, self.longest / largest)
            y[B:][~active] = 0.0
            still = largest < 1e-13
            found.steps[index] += 1

    def _without_history(self, given, index, found):
        """Rounds of descent at held q, I, a_w and X, followed by Newton from where it leads.

        X follows from a pH, itself a falling function of the pH that results with X: that is
        bracketed between the rounds.
        """
        q = self.equations
        voxels = given.take(index)
        y, pH = guess(q, voxels), voxels.reference_pH.mean(axis=0)
        low, high = np.full(index.size, -10.0), np.full(index.size, 25.0)
        for number in range(self.rounds):
            reached, steps = descend(q, voxels, y, pH)
            found.steps[index] += steps
            found.restarts[index] += 1
            r = q.residual(y, voxels)
            share = 1.0 if number == 0 else 0.5
            strength = np.clip(r.strength + r.error[q.I] / voxels.water, 1e-12, 20.0)
            a_w = np.maximum(np.exp(y[q.W]) - r.error[q.W] / voxels.water, 0.3)
            y[q.I:q.B] += share * (np.log([strength, a_w]) - y[q.I:q.B])
            mixed = np.exp(y[q.Q:q.I]) + r.error[q.Q:q.I]
            y[q.Q:q.I] = np.where(mixed > 0, np.log(mixed), y[q.Q:q.I])
            if q.H is not None:
                answer = -y[q.H] / LN10
                low = np.where(answer > pH, pH, low)
                high = np.where(answer < pH, pH, high)
                middle = 0.5 * (pH + answer)
                pH = np.where((middle >= low) & (middle <= high), middle, 0.5 * (low + high))
            left = np.isin(index, self._newton(given, index, y.copy(), found))
            if number >= 2:
                left &= reached
            if not left.any():
                return
            index, y, voxels = index[left], y[:, left], voxels.take(left)
            pH, low, high = pH[left], low[left], high[left]
