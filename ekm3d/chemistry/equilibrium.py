"""Chemical equilibrium in many voxels: water, exchangers, minerals, gases from components' totals.

`EquilibriumSolver` runs Newton's method on the equations of `equilibrium`: quadratic, because
ionic strength and water activity are among its unknowns, with the minerals' complementarity as
an active set. Where the history is missing or does not help, a start without history is made
(see `descent`). Redox is frozen: valences of an element are components of their own.
"""

from dataclasses import dataclass, fields

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.fixed_order_sum import WeightedSum, added
from ekm3d.chemistry import newton
from ekm3d.chemistry.activity import LN10
from ekm3d.chemistry.chemical_state import ChemicalState, carried_on
from ekm3d.chemistry.cold_start import descend, guess
from ekm3d.chemistry.equations import LITRES, MISSING, Equations
from ekm3d.chemistry.ion_exchange import Sites, Voxels
from ekm3d.errors import ConvergenceError

SATURATED = 1e-10         # ln Omega that counts as 0


class ChemistryError(ConvergenceError):
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
    warm_start: np.ndarray             # (U, n) the unknowns, to start the next call with
    iterations: np.ndarray       # (n,) Newton steps
    converged: np.ndarray        # (n,) bool; all True, or ChemistryError was raised
    gas: np.ndarray              # (G, n) taken up from the gases, not part of the totals given,
    #                              mol/m3 of bulk: nu_g^T gas is to be added to these
    restarts: np.ndarray         # (n,) rounds of a start without history; 0 where the warm one led


@dataclass(frozen=True)
class SolverStats:
    """What it took to settle n voxels."""

    steps: object                # (n,) of Newton's method and of descent, on the backend
    left: np.ndarray             # numbers of the voxels that were solved in NumPy
    restarts: np.ndarray         # of these, rounds of a start without history


def acidity_from_neutrality(chem, total, cec=0.0):
    """total_H [mol/m3] that makes voxels neutral: cec - sum_{k != H} z_k total_k.

    total (K, ...) mol/m3, any value in the row of H+; cec eq/m3, of all exchangers together.
    """
    others = np.array(chem.charge)
    others[chem.hydrogen] = 0.0
    return cec - WeightedSum(others)(np.asarray(total))[0]


def pieces(move, tables):
    """Tables (rows, n) on the other side of `move`, which is called once for all of them."""
    whole, ends = move(np.concatenate(tables)), np.cumsum([len(table) for table in tables])
    return [whole[end - len(table):end] for end, table in zip(ends, tables)]


class VoxelSolver:
    """Solves the chemistry of voxels.

    `solve` works in place on a ChemicalState, `solve_list` takes lists where the backend keeps
    arrays and returns a ChemicalState, `solve_numpy` takes and returns NumPy arrays.
    """

    compiled = None           # Newton's method in compiled code, where there is one

    def __init__(self, chem, backend=None):
        """backend: where the arrays of `solve` live."""
        self.chem, self.backend = chem, backend or Backend("plain arrays")

    def allocate_state(self, total, theta, sites=Sites(), warm_start=None):
        """ChemicalState of just n voxels, its outputs allocated; arguments as of `solve_list`."""
        chem, n, N = self.chem, theta.size, max(1, len(self.chem.exchangers))
        K, S, E, M, G = map(len, (chem.components, chem.species, chem.exchange, chem.minerals,
                                  chem.gases))

        def room(*shape, given=None):
            array = self.backend.zeros(shape)
            if given is not None:
                array[...] = given
            return array

        exchangers = (room(N, n, given=values)
                      for values in (sites.cec, sites.slope, sites.reference_pH))
        return ChemicalState(room(K, n, given=total), room(n, given=theta), *exchangers, sites.limits,
                     room(chem.unknowns, n, given=warm_start),
                     *(room(count, n) for count in (chem.unknowns - M, S, E, M, G)), room(n),
                     room(n))

    def solve_list(self, total, theta, sites=Sites(), warm_start=None):
        """Return the ChemicalState of n voxels, from lists where the backend keeps arrays.

        total (K, n) mol/m3 of bulk; theta (n,) m3 of water per m3 of bulk; sites: numbers or such
        lists; warm (U, n): of the cells of before, left as it is. ChemistryError as from `solve`.
        """
        state = self.allocate_state(total, theta, sites, warm_start)
        self.solve(state, self.backend.arange(theta.size), None if warm_start is None else 0.0)
        return state

    def solve(self, state, where, elapsed=None):
        """Solve the voxels with flat indices `where` (n,), on the backend, of `state` in place.

        elapsed [s]: since the equilibrium state.warm, which is carried on (see `carried_on`); None
        where there is none. Returns an Effort; ChemistryError with places among all voxels.
        """
        there, n = self.backend, where.size
        steps, left = self._compiled(state, where, elapsed)
        if not left.size:
            return SolverStats(steps, left, np.zeros(0, int))
        places = where[there.from_numpy(left)] if left.size < n else where

        def take(array):
            return there.to_numpy(array[..., places])

        warm_start = None if elapsed is None else take(state.warm_start)
        anew = warm_start is None or self.compiled         # that start was tried already, in vain
        start = None if anew else carried_on(warm_start, take(state.rate), elapsed)
        sites = Sites(take(state.cec), take(state.slope), take(state.reference_pH), state.limits)
        try:
            found = self._solve(take(state.total), take(state.theta), sites, start)
        except ChemistryError as error:
            raise ChemistryError(error.reason, self.chem.components,
                                 there.to_numpy(places)[error.voxels], error.total) from None
        for name in ("c", "exchanged", "solid", "gas", "warm_start", "pH"):
            getattr(state, name)[..., places] = there.from_numpy(getattr(found, name))
        state.strength[places] = there.from_numpy(found.ionic_strength)
        if elapsed:
            change = (found.warm_start - warm_start)[:len(state.rate)]
            state.rate[..., places] = there.from_numpy(change / elapsed)
        steps[there.from_numpy(left)] += there.from_numpy(found.iterations.astype(np.int32))
        return SolverStats(steps, left, found.restarts)

    def _compiled(self, state, where, elapsed):
        """(steps (n,), numbers of the voxels that are left) after compiled code, here none."""
        return self.backend.zeros(where.size, np.int32), np.arange(where.size)

    def _solve(self, total, theta, sites, start):
        """Result of lists, in NumPy."""
        return self.solve_numpy(total, theta, sites, start)


class _Found:
    """What has been solved so far, filled in as voxels converge."""

    def __init__(self, equations, n):
        q = equations
        self.terms, self.y = np.empty((q.S + q.E, n)), np.empty((q.B + q.phases.count, n))
        self.site, self.done = np.empty((q.N, n)), np.zeros(n, bool)
        self.steps, self.restarts = np.zeros(n, int), np.zeros(n, int)

    def keep(self, index, y, r):
        """Voxels `index` converged at states y, where the residual is r."""
        self.terms[:, index], self.y[:, index], self.site[:, index] = r.terms, y, r.site
        self.done[index] = True


class EquilibriumSolver(VoxelSolver):
    """Solves the equilibrium of one chemical system in many voxels.

    What comes out for a voxel does not depend, to the last bit, on which others are solved with it.
    """

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
        super().__init__(chem, backend)
        self.tolerance, self.equations = tolerance, Equations(chem)
        self.compiled = newton.compiled(self.equations, backend)

    def solve_numpy(self, total, theta, sites=Sites(), warm_start=None):
        """Equilibrium of n voxels, NumPy's arrays throughout.

        total (K, n) mol/m3 of bulk; theta (n,) m3 of water per m3 of bulk; warm: a previous
        result's, of the same voxels. Raises ChemistryError where there is no equilibrium.
        """
        if warm_start is None or not self.compiled:
            return self._solve(total, theta, sites, warm_start)
        there, n = self.backend, np.shape(total)[1]
        given = self._voxels(total, theta, sites)
        total, (theta,), warm_start, *three = pieces(there.from_numpy, (
            given.total, np.full((1, n), theta, float), np.asarray(warm_start, float), given.cec,
            given.slope, given.reference_pH))
        state = self.allocate_state(total, theta, Sites(*three, sites.limits), warm_start)
        effort = self.solve(state, there.arange(n), 0.0)
        c, exchanged, solid, gas, warm_start, (pH,), (strength,), (steps,) = pieces(there.to_numpy, (
            state.c, state.exchanged, state.solid, state.gas, state.warm_start, state.pH[None],
            state.strength[None], effort.steps[None].astype(float)))
        restarts = np.zeros(n, int)
        restarts[effort.left] = effort.restarts
        released, _ = given.released(pH)
        found = dict(c=c, exchanged=exchanged, solid=solid, gas=gas, warm_start=warm_start, pH=pH)
        return self._result(found, given.cec + released, strength, steps.astype(int), restarts)

    def _compiled(self, cells, where, elapsed):
        if not self.compiled or elapsed is None or not where.size:
            return super()._compiled(cells, where, elapsed)
        steps, done = self.compiled(cells, where, self.tolerance, elapsed)
        return steps, self.backend.to_numpy(np.flatnonzero(done == 0))

    def _solve(self, total, theta, sites, warm_start):
        """The same in NumPy: the reference."""
        q = self.equations
        given = self._voxels(total, theta, sites)
        every = slice(None)
        if warm_start is None:                      # a run begins with many voxels that are alike
            alike = np.vstack([getattr(given, f.name).reshape(-1, given.water.size)
                               for f in fields(given)])
            _, first, every = np.unique(alike, axis=1, return_index=True, return_inverse=True)
            given, every = given.take(first), every.ravel()
        n = given.water.size
        found = _Found(q, n)
        with np.errstate(all="ignore"):       # wild trial states are refused, not warned of
            for start in range(0, n, self.chunk):
                part = np.arange(start, min(n, start + self.chunk))
                if warm_start is not None:
                    part = self._newton(given, part, self._revived(given, part, warm_start), found)
                if part.size:
                    self._without_history(given, part, found)
        if not found.done.all():
            failed = np.flatnonzero(~found.done[every])
            raise ChemistryError("no equilibrium found", self.chem.components, failed,
                                 given.total[:, every][:, failed])
        y = found.y
        y[:q.K][q.absent(given.total)] = MISSING
        pH = np.full(n, np.nan) if q.H is None else -y[q.H] / LN10
        values = {"c": found.terms[:q.S] * (LITRES / given.water),
                  "exchanged": found.terms[q.S:] / q.exchangers.per[:, None],
                  "solid": y[q.B:q.B + q.M], "gas": -y[q.B + q.M:], "pH": pH,
                  "warm_start": y[:q.B + q.M]}
        return self._result({name: value[..., every] for name, value in values.items()},
                            found.site[:, every], np.exp(y[q.I, every]), found.steps[every],
                            found.restarts[every])

    def _result(self, found, site, strength, steps, restarts):
        q = self.equations
        return Result(**found, site=site[0] if q.N == 1 else site, ionic_strength=strength,
                      water_activity=np.exp(found["warm_start"][q.W]), iterations=steps,
                      converged=np.ones(steps.size, bool), restarts=restarts)

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

    def _revived(self, given, part, warm_start):
        """The warm states of some voxels, with a start for components that were absent."""
        q = self.equations
        y = np.vstack([warm_start[:, part], np.zeros((q.phases.G, part.size))])
        total = given.total[:, part]
        u = y[:q.K]
        new = (u <= MISSING) & (total > 0)
        u[new] = np.log(total / given.water[part])[new]
        return y

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
        y, pH = guess(q, voxels), added(voxels.reference_pH) / q.N
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
