"""Chemical equilibrium in many voxels: water, exchangers, minerals, gases from components' totals.

`EquilibriumSolver` runs Newton's method on the equations of `equations`: quadratic, because
ionic strength and water activity are among its unknowns, with the minerals' complementarity as
an active set. Without a warm start, or where it does not converge, it starts cold (see
`cold_start`). Redox is frozen: valences of an element are components of their own.
"""

from collections.abc import Callable
from dataclasses import fields

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.fixed_order_sum import WeightedSum, sum_rows
from ekm3d.chemistry import newton
from ekm3d.chemistry.activity import LN10
from ekm3d.chemistry.chemical_state import Array, ChemicalState, extrapolate_warm_start
from ekm3d.chemistry.cold_start import initial_guess, minimise
from ekm3d.chemistry.equations import LITRES, MISSING, SATURATED, Equations, Residual
from ekm3d.chemistry.ion_exchange import NO_SITES, Sites, Voxels
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.chemistry.voxel_solver import ChemistryError, Result, SolverStats, VoxelSolver
from ekm3d.errors import InputError


def acidity_from_neutrality(chem: ChemicalSystem, total: np.ndarray,
                            cec: np.ndarray | float = 0.0) -> np.ndarray:
    """Return total_H [mol/m3] of neutral voxels: cec - sum_{k != H} z_k total_k.

    total (K, ...) mol/m3, any value in the row of H+; cec eq/m3, of all exchangers together.
    """
    others = np.array(chem.charge)
    others[chem.hydrogen] = 0.0
    return cec - WeightedSum(others)(np.asarray(total))[0]


def copy_together(copy: Callable[[np.ndarray], Array], tables: tuple[Array, ...]) -> list[Array]:
    """Return copies of tables (rows, n) on the other side of `copy`, which is called once."""
    whole, ends = copy(np.concatenate(tables)), np.cumsum([len(table) for table in tables])
    return [whole[end - len(table):end] for end, table in zip(ends, tables, strict=True)]


class _Solution:
    """Results of NumPy's Newton, filled in as voxels converge."""

    def __init__(self, equations: Equations, n: int):
        q = equations
        self.terms, self.y = np.empty((q.S + q.E, n)), np.empty((q.B + q.phases.count, n))
        self.site, self.done = np.empty((q.N, n)), np.zeros(n, bool)
        self.steps, self.restarts = np.zeros(n, int), np.zeros(n, int)

    def set(self, index: np.ndarray, y: np.ndarray, r: Residual) -> None:
        """Set voxels `index`, which converged at the unknowns y with the residual r."""
        self.terms[:, index], self.y[:, index], self.site[:, index] = r.terms, y, r.site
        self.done[index] = True


class EquilibriumSolver(VoxelSolver):
    """Solver of the equilibrium of one chemical system in many voxels.

    The result of a voxel is bit-identical whichever voxels are solved with it.
    """

    chunk = 1536              # voxels worked on at once: their matrices fit the cache
    newton_steps = 25
    rounds = 40               # of minimisation and Newton in a cold start
    max_log_change = 3.0      # of a logarithm in one Newton step

    def __init__(self, chem: ChemicalSystem, tolerance: float = 1e-12,
                 backend: Backend | None = None):
        """tolerance: of every balance, relative to the sum of its absolute terms; backend: may
        have Newton's method in compiled code (see `newton`).

        Where rounding forbids it, 1e-10 is accepted once Newton stagnates. The remainder is in
        the species only: mass is accounted for by the totals, which are the caller's.
        """
        super().__init__(chem, backend)
        self.tolerance, self.equations = tolerance, Equations(chem)
        self.compiled = newton.compiled(self.equations, backend)

    def solve(self, state: ChemicalState, where: Array,
              elapsed: float | None = None) -> SolverStats:
        """Solve the voxels with flat indices `where` (n,), on the backend, of `state` in place.

        elapsed [s]: since the equilibrium state.warm_start, which is extrapolated over it (see
        `extrapolate_warm_start`); None starts cold. Raises ChemistryError with flat indices.
        """
        backend, n = self.backend, where.size
        if not self.compiled or elapsed is None or not n:
            return self._solve_left(state, where, elapsed, backend.zeros(n, np.int32), np.arange(n))
        steps, done = self.compiled(state, where, self.tolerance, elapsed)
        wrong, most = backend.to_numpy(np.concatenate(           # the host waits once
            [(done == 0).sum(keepdims=True), steps.max(keepdims=True)])).tolist()
        if not wrong:
            return SolverStats(steps, np.zeros(0, int), np.zeros(0, int), most)
        left = backend.to_numpy(np.flatnonzero(done == 0))
        return self._solve_left(state, where, elapsed, steps, left)

    def _solve_left(self, state, where, elapsed, steps, left):
        """Solve the voxels where[left] in NumPy, `solve`; steps: of all so far."""
        backend, n = self.backend, where.size
        if not left.size:
            return SolverStats(steps, left, np.zeros(0, int))
        index = where[backend.from_numpy(left)] if left.size < n else where

        def take(array):
            return backend.to_numpy(array[..., index])

        start = warm_start = None
        if elapsed is not None:
            warm_start = take(state.warm_start)
            if not self.compiled:             # else compiled code has tried it, in vain
                start = extrapolate_warm_start(warm_start, take(state.rate), elapsed)
        sites = Sites(take(state.cec), take(state.slope), take(state.reference_pH), state.limits)
        try:
            result = self._solve_reference(take(state.total), take(state.theta), sites, start)
        except ChemistryError as error:
            raise ChemistryError(error.reason, self.chem.components,
                                 backend.to_numpy(index)[error.voxels], error.total) from None
        for name in ("c", "exchanged", "gas", "warm_start", "pH"):
            getattr(state, name)[..., index] = backend.from_numpy(getattr(result, name))
        state.strength[index] = backend.from_numpy(result.ionic_strength)
        if elapsed:
            change = (result.warm_start - warm_start)[:len(state.rate)]
            state.rate[..., index] = backend.from_numpy(change / elapsed)
        steps[backend.from_numpy(left)] += backend.from_numpy(result.iterations.astype(np.int32))
        return SolverStats(steps, left, result.restarts, int(steps.max()))

    def solve_numpy(self, total: np.ndarray, theta: np.ndarray | float, sites: Sites = NO_SITES,
                    warm_start: np.ndarray | None = None) -> Result:
        """Return the equilibrium of n voxels, NumPy arrays throughout.

        total (K, n) mol/m3 of bulk; theta (n,) m3 of water per m3 of bulk; warm_start (U, n): of
        a previous result of the same voxels. Raises ChemistryError without an equilibrium.
        """
        if warm_start is None or not self.compiled:
            return self._solve_reference(total, theta, sites, warm_start)
        backend, n = self.backend, np.shape(total)[1]
        inputs = self._inputs(total, theta, sites)
        total, (theta,), warm_start, cec, slope, reference_pH = copy_together(
            backend.from_numpy, (
                inputs.total, np.full((1, n), theta, float), np.asarray(warm_start, float),
                inputs.cec, inputs.slope, inputs.reference_pH))
        state = self.allocate_state(total, theta, Sites(cec, slope, reference_pH, sites.limits),
                                    warm_start)
        where, restarts = backend.arange(n), np.zeros(n, int)

        def copies(steps, done):
            return copy_together(backend.to_numpy, (
                state.c, state.exchanged, state.solid, state.gas, state.warm_start, state.pH[None],
                state.strength[None], steps[None].astype(float), done[None].astype(float)))

        steps, done = self.compiled(state, where, self.tolerance, 0.0)
        found = copies(steps, done)
        left = np.flatnonzero(found[-1][0] == 0)
        if left.size:
            stats = self._solve_left(state, where, 0.0, steps, left)
            restarts[left], found = stats.restarts, copies(stats.steps, done)
        c, exchanged, solid, gas, unknowns, (pH,), (strength,), (steps,), _ = found
        released, _ = inputs.released(pH)
        values = dict(c=c, exchanged=exchanged, solid=solid, gas=gas, warm_start=unknowns, pH=pH)
        return self._result(values, inputs.cec + released, strength, steps.astype(int), restarts)

    def _solve_reference(self, total, theta, sites, warm_start):
        """Return the Result of `solve_numpy` without compiled code: the reference."""
        q = self.equations
        inputs, inverse = self._inputs(total, theta, sites), slice(None)
        if warm_start is None:                      # a run begins with many identical voxels
            values = np.vstack([getattr(inputs, f.name).reshape(-1, inputs.water.size)
                                for f in fields(inputs)])
            _, first, inverse = np.unique(values, axis=1, return_index=True, return_inverse=True)
            inputs, inverse = inputs.take(first), inverse.ravel()
        n = inputs.water.size
        solution = _Solution(q, n)
        with np.errstate(all="ignore"):       # wild trial states are refused, not warned of
            for start in range(0, n, self.chunk):
                left = np.arange(start, min(n, start + self.chunk))
                if warm_start is not None:
                    y = self._prepare_warm_start(inputs, left, warm_start)
                    left = self._newton(inputs, left, y, solution)
                if left.size:
                    self._cold_start(inputs, left, solution)
        if not solution.done.all():
            failed = np.flatnonzero(~solution.done[inverse])
            raise ChemistryError("no equilibrium found", self.chem.components, failed,
                                 inputs.total[:, inverse][:, failed])
        y = solution.y
        y[:q.K][q.absent(inputs.total)] = MISSING
        pH = np.full(n, np.nan) if q.H is None else -y[q.H] / LN10
        values = {"c": solution.terms[:q.S] * (LITRES / inputs.water),
                  "exchanged": solution.terms[q.S:] / q.exchangers.per[:, None],
                  "solid": y[q.B:q.B + q.M], "gas": -y[q.B + q.M:], "pH": pH,
                  "warm_start": y[:q.B + q.M]}
        return self._result({name: value[..., inverse] for name, value in values.items()},
                            solution.site[:, inverse], np.exp(y[q.I, inverse]),
                            solution.steps[inverse], solution.restarts[inverse])

    def _result(self, values, site, strength, steps, restarts):
        """Return the Result of arrays `values` by name, X (N, n), I, steps and restarts (n,)."""
        q = self.equations
        return Result(**values, site=site[0] if q.N == 1 else site, ionic_strength=strength,
                      water_activity=np.exp(values["warm_start"][q.W]), iterations=steps,
                      converged=np.ones(steps.size, bool), restarts=restarts)

    def _inputs(self, total, theta, sites):
        """Return the arguments of `solve_numpy` as Voxels, checked."""
        q, total = self.equations, np.asarray(total, float)
        if total.shape[0] != q.K:
            raise ValueError(f"total has {total.shape[0]} rows, must be {q.K}, one per component")
        n = total.shape[1:]
        theta = np.broadcast_to(np.asarray(theta, float), n)
        if q.N > 1 and np.ndim(sites.cec) < 2 and np.any(sites.cec):
            raise InputError(f"cec: there are {q.N} exchangers, give a row for each")
        cec, slope, reference = (np.broadcast_to(np.asarray(value, float), (q.N, *n))
                                 for value in (sites.cec, sites.slope, sites.reference_pH))
        for i in range(q.N):
            if cec[i].any() and not q.exchangers.on[:, i].any():
                name = f" '{self.chem.exchangers[i]}'" if self.chem.exchangers else ""
                raise InputError(f"there is an exchanger{name} (cec > 0), but the chemistry has "
                                 "no exchange species for it")
        if slope.any() and q.H is None:
            raise InputError("the exchanger depends on pH (slope), but H+ is not a component")
        signed = np.arange(q.K) == (-1 if q.H is None else q.H)
        sound = np.all(np.isfinite(total) & ((total >= 0) | signed[:, None]), axis=0)
        sound &= (theta > 0) & np.all((cec >= 0) & (slope >= 0), axis=0)
        if not sound.all():
            wrong = np.flatnonzero(~sound)
            raise ChemistryError("a negative total, no water or a negative exchanger",
                                 self.chem.components, wrong, total[:, wrong])
        return Voxels(total, LITRES * theta, cec, slope, reference,
                      (sites.limits[0] - 1) * cec, (sites.limits[1] - 1) * cec)

    def _prepare_warm_start(self, inputs, index, warm_start):
        """Return the unknowns (B + P, n) of voxels `index`, with a start for new components."""
        q = self.equations
        y = np.vstack([warm_start[:, index], np.zeros((q.phases.G, index.size))])
        total = inputs.total[:, index]
        u = y[:q.K]
        new = (u <= MISSING) & (total > 0)
        u[new] = np.log(total / inputs.water[index])[new]
        return y

    def _newton(self, inputs, index, y, solution):
        """Run Newton from the unknowns y of voxels `index`; return those that did not converge.

        Converged ones go to `solution` and leave the arrays: one that starts converged costs a
        single evaluation.
        """
        q, B, phases = self.equations, self.equations.B, self.equations.phases
        voxels = inputs.take(index)
        active, stagnant = (y[B:] > 0) | phases.gas[:, None], np.zeros(index.size, bool)
        phases.remove_dependent(active, y[B:])
        for step in range(self.newton_steps + 1):
            r = q.residual(y, voxels)
            wanted, amount, excess = active.copy(), y[B:B + q.M], r.saturation[:q.M]
            wanted[:q.M] = np.where(amount > 0,
                                    amount / q.mineral_scale(r.scale) + excess > -SATURATED,
                                    excess > SATURATED)
            chosen = active & wanted
            phases.enter(chosen, wanted, y[B:], r.saturation)
            slack = np.abs(np.where(active, r.saturation, y[B:])) <= SATURATED
            good = r.balanced(self.tolerance) | stagnant & r.balanced(1e-10)
            good &= np.all((chosen == active) & slack, axis=0)
            active = chosen
            if good.any():
                solution.set(index[good], y[:, good], r.take(good))
                left = ~good
                index, y, active = index[left], y[:, left], active[:, left]
                voxels, r = voxels.take(left), r.take(left)
            if step == self.newton_steps or not index.size:
                return index
            change = q.step(y, active, voxels, r)
            largest = np.abs(change[:B]).max(axis=0)
            y = y + change * np.minimum(1.0, self.max_log_change / largest)
            y[B:][~active] = 0.0
            stagnant = largest < 1e-13
            solution.steps[index] += 1

    def _cold_start(self, inputs, index, solution):
        """Solve voxels `index` by rounds of a minimisation at fixed q, I, a_w and X, then Newton.

        X follows from a pH, and the resulting pH falls with it: the fixed point is bracketed
        between the rounds.
        """
        q = self.equations
        voxels = inputs.take(index)
        y, pH = initial_guess(q, voxels), sum_rows(voxels.reference_pH) / q.N
        low, high = np.full(index.size, -10.0), np.full(index.size, 25.0)
        for number in range(self.rounds):
            reached, steps = minimise(q, voxels, y, pH)
            solution.steps[index] += steps
            solution.restarts[index] += 1
            self._update_fixed(y, q.residual(y, voxels), voxels, 1.0 if number == 0 else 0.5)
            if q.H is not None:
                answer = -y[q.H] / LN10
                low = np.where(answer > pH, pH, low)
                high = np.where(answer < pH, pH, high)
                middle = 0.5 * (pH + answer)
                pH = np.where((middle >= low) & (middle <= high), middle, 0.5 * (low + high))
            left = np.isin(index, self._newton(inputs, index, y.copy(), solution))
            if number >= 2:
                left &= reached
            if not left.any():
                return
            index, y, voxels = index[left], y[:, left], voxels.take(left)
            pH, low, high = pH[left], low[left], high[left]

    def _update_fixed(self, y, r, voxels, share):
        """Move ln I, ln a_w and ln q of y towards those that the minimum implies, by `share`."""
        q = self.equations
        strength = np.clip(r.strength + r.error[q.I] / voxels.water, 1e-12, 20.0)
        a_w = np.maximum(np.exp(y[q.W]) - r.error[q.W] / voxels.water, 0.3)
        y[q.I:q.B] += share * (np.log([strength, a_w]) - y[q.I:q.B])
        moles = np.exp(y[q.Q:q.I]) + r.error[q.Q:q.I]
        y[q.Q:q.I] = np.where(moles > 0, np.log(moles), y[q.Q:q.I])
