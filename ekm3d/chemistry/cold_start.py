"""Cold start: Levenberg-Marquardt on a convex function, minerals by an active set.

With I, a_w, X and q fixed, the balances of `equations` are the gradient of

    sum of terms - sum_k total_k ln a_k - sum_i X_i ln x_i,
    subject to  ln Omega <= 0 of every mineral,  ln Omega = 0 of every gas,

whose multipliers are the phases' amounts. Damped Newton steps lead to its only minimum.
"""

import numpy as np

from ekm3d.backends.fixed_order_sum import WeightedSum, sum_rows
from ekm3d.chemistry.activity import LN10
from ekm3d.chemistry.equations import Equations
from ekm3d.chemistry.ion_exchange import Voxels

MAX_STEPS = 400           # of the minimisation, changes of the active set included
MAX_LOG_CHANGE = 5.0      # of a logarithm in one step
TOLERANCE = 1e-9          # relative error of the balances at a minimum


def initial_guess(equations: Equations, voxels: Voxels) -> np.ndarray:
    """Return unknowns (B + P, n) from above: pH 5 at most, no hydrolysis, complexes or exchange.

    Gases are at their pressures.
    """
    q, K, phases = equations, equations.K, equations.phases
    y = np.zeros((q.B + phases.count, voxels.water.size))
    y[:K] = np.maximum(np.log(np.maximum(voxels.total, 0) / voxels.water), -80.0)
    if q.H is not None:
        y[q.H] = np.maximum(y[q.H], -5.0 * LN10)
    y[q.Q:q.I] = np.log(np.maximum(voxels.cec[q.exchangers.vanselow], 1e-300))
    y[q.I] = np.log(0.1)
    if phases.G:
        rows, masters = phases.pivots(phases.gas)
        off = phases.constant[rows, None] - WeightedSum(phases.nu[rows])(y[:K])
        y[masters] += WeightedSum(np.linalg.inv(phases.nu[np.ix_(rows, masters)]))(off)
    return y


def minimise(equations: Equations, voxels: Voxels, y: np.ndarray,
             pH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the module's function with X as at pH (n,); updates the unknowns y (B + P, n).

    Levenberg-Marquardt steps, each accepted where the function (with a penalty on active phases
    off saturation) falls. Minerals enter and leave one at a time, at a minimum of the others.
    Returns the voxels (n,) that reached the minimum and the number of steps (n,).
    """
    q, B, phases = equations, equations.B, equations.phases
    released, _ = voxels.released(pH)
    target = np.vstack([voxels.total, voxels.cec + released])
    if q.H is not None:
        target[q.H] += sum_rows(released)
    largest = np.abs(voxels.total).max(axis=0)
    penalty = WeightedSum(10 * np.abs(phases.nu))(np.abs(voxels.total))
    active = (y[B:] > 0) | phases.gas[:, None]
    damping, steps = np.ones(pH.size), np.zeros(pH.size, int)
    r = q.residual(y, voxels, pH)
    for _ in range(MAX_STEPS):
        converged = r.balanced(TOLERANCE) & np.all(
            ~active | (np.abs(r.saturation) < TOLERANCE), axis=0)
        changed = _update_active_set(phases, active, y[B:], r.saturation, converged,
                                     -1e-7 * largest)
        moved = changed.any() or (y[B:][~active] != 0.0).any()
        y[B:][~active] = 0.0
        todo = np.flatnonzero(~converged | changed)
        if not todo.size:
            break
        if moved:
            r = q.residual(y, voxels, pH)
        trial, new, better, length = _damped_step(
            q, voxels.take(todo), y[:, todo], r.take(todo), active[:, todo], pH[todo],
            damping[todo], target[:, todo], penalty[:, todo])
        better |= length < 1e-6
        y[:, todo[better]] = trial[:, better]
        damping[todo] = np.clip(damping[todo] * np.where(better, 0.2, 5.0),
                                np.where(better, 1e-12, 1e-3), 1e12)
        steps[todo] += 1
        if better.all() and todo.size == pH.size:
            r = new
        elif better.any():
            r = q.residual(y, voxels, pH)
    return ~np.isin(np.arange(pH.size), todo), steps


def _damped_step(q, voxels, y, old, active, pH, damping, target, penalty):
    """Return the trial unknowns (B + P, n), their Residual, where the function falls, and how far.

    old: the Residual at y. The last two are (n,), in logarithms.
    """
    change = q.step(y, active, voxels, old, damping)
    length = np.abs(change[:q.Q]).max(axis=0)
    trial = y + change * np.minimum(1.0, MAX_LOG_CHANGE / length)
    new = q.residual(trial, voxels, pH)

    def value(unknowns, r):
        logs = np.where(np.vstack([r.absent, r.bare]), 0.0, unknowns[:q.Q])
        off = np.abs(np.where(active, r.saturation, 0.0))
        return sum_rows(r.terms) - sum_rows(target * logs) + sum_rows(penalty * off)

    before = value(y, old)
    noise = 1e-13 * (sum_rows(old.terms) + np.abs(before))
    return trial, new, value(trial, new) <= before + noise, length


def _update_active_set(phases, active, amount, saturation, where, least):
    """In voxels `where`: drop the most negative mineral, or else add the most oversaturated.

    Updates active and amount (P, n); returns the voxels (n,) in which it did.
    """
    if not phases.M:
        return np.zeros_like(where)
    voxels, gas = np.arange(where.size), phases.gas[:, None]
    removable = np.where(active & ~gas, amount, np.inf)
    inactive = np.where(active, -np.inf, saturation)
    drop = where & (removable.min(axis=0) < least)
    add = where & ~drop & (inactive.max(axis=0) > 1e-7)
    active[removable.argmin(axis=0)[drop], voxels[drop]] = False
    wanted = np.zeros_like(active)
    wanted[inactive.argmax(axis=0)[add], voxels[add]] = True
    phases.enter(active, wanted, amount, saturation)
    return drop | add
