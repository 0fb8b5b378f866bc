"""A start without history: the minimum of a convex function, minerals one at a time.

With I, a_w, X and q held, the balances of `equilibrium` are the gradient of

    sum of terms - sum_k total_k ln a_k - sum_i X_i ln x_i,
    subject to  ln Omega <= 0 of every mineral,  ln Omega = 0 of every gas,

whose multipliers are the phases' amounts. A damped descent finds its only minimum.
"""

import numpy as np

from ekm3d.backends.fixed_order_sum import WeightedSum, sum_rows
from ekm3d.chemistry.activity import LN10

STEPS = 400               # of descent, minerals' comings and goings included
LONGEST = 5.0             # change of a logarithm in one step
FLAT = 1e-9               # relative error of the balances at a minimum


def guess(equations, voxels):
    """A start from above, pH 5: nothing hydrolysed, complexed or exchanged; gases as they must."""
    q, K, phases = equations, equations.K, equations.phases
    y = np.zeros((q.B + phases.count, voxels.water.size))
    y[:K] = np.maximum(np.log(np.maximum(voxels.total, 0) / voxels.water), -80.0)
    if q.H is not None:
        y[q.H] = np.maximum(y[q.H], -5.0 * LN10)
    y[q.Q:q.I] = np.log(np.maximum(voxels.cec[q.exchangers.mixed], 1e-300))
    y[q.I] = np.log(0.1)
    if phases.G:
        rows, masters = phases.pivots(phases.gas)
        off = phases.constant[rows, None] - WeightedSum(phases.nu[rows])(y[:K])
        y[masters] += WeightedSum(np.linalg.inv(phases.nu[np.ix_(rows, masters)]))(off)
    return y


def descend(equations, voxels, y, pH):
    """Minimise the module's function with X as at pH (n,); changes y (B + P, n).

    Levenberg-Marquardt steps, each accepted where the function (with a penalty on active phases
    off saturation) falls. Minerals come and go one at a time, at a minimum of the others. Returns
    where the end was reached (n,) and the steps taken (n,).
    """
    q, Q, B, phases = equations, equations.Q, equations.B, equations.phases
    released, _ = voxels.released(pH)
    target = np.vstack([voxels.total, voxels.cec + released])
    if q.H is not None:
        target[q.H] += sum_rows(released)
    largest = np.abs(voxels.total).max(axis=0)
    penalty = WeightedSum(10 * np.abs(phases.nu))(np.abs(voxels.total))
    active = (y[B:] > 0) | phases.gas[:, None]
    damping, steps = np.ones(pH.size), np.zeros(pH.size, int)
    r = q.residual(y, voxels, pH)
    for _ in range(STEPS):
        flat = r.balanced(FLAT) & np.all(~active | (np.abs(r.saturation) < FLAT), axis=0)
        changed = _exchange_mineral(phases, active, y[B:], r.saturation, flat, -1e-7 * largest)
        y[B:][~active] = 0.0
        todo = np.flatnonzero(~flat | changed)
        if not todo.size:
            break
        part, on, some, held = y[:, todo], active[:, todo], voxels.take(todo), pH[todo]
        old = q.residual(part, some, held)
        change = q.step(part, on, some, old, damping[todo])
        length = np.abs(change[:Q]).max(axis=0)
        trial = part + change * np.minimum(1.0, LONGEST / length)
        new = q.residual(trial, some, held)

        def value(state, at):
            there = np.where(np.vstack([at.absent, at.bare]), 0.0, state[:Q])
            off = np.abs(np.where(on, at.saturation, 0.0))
            return (sum_rows(at.terms) - sum_rows(target[:, todo] * there)
                    + sum_rows(penalty[:, todo] * off))

        noise = 1e-13 * (sum_rows(old.terms) + np.abs(value(part, old)))
        better = (value(trial, new) <= value(part, old) + noise) | (length < 1e-6)
        y[:, todo[better]] = trial[:, better]
        damping[todo] = np.clip(damping[todo] * np.where(better, 0.2, 5.0),
                                np.where(better, 1e-12, 1e-3), 1e12)
        steps[todo] += 1
        r = q.residual(y, voxels, pH)
    return ~np.isin(np.arange(pH.size), todo), steps


def _exchange_mineral(phases, active, amount, saturation, where, least):
    """In voxels `where`: drop the most negative mineral, or else add the most oversaturated.

    Changes active and amount (P, n); returns the voxels (n,) in which it did.
    """
    if not phases.M:
        return np.zeros_like(where)
    every, gas = np.arange(where.size), phases.gas[:, None]
    held = np.where(active & ~gas, amount, np.inf)
    free = np.where(active, -np.inf, saturation)
    drop = where & (held.min(axis=0) < least)
    add = where & ~drop & (free.max(axis=0) > 1e-7)
    active[held.argmin(axis=0)[drop], every[drop]] = False
    wanted = np.zeros_like(active)
    wanted[free.argmax(axis=0)[add], every[add]] = True
    phases.enter(active, wanted, amount, saturation)
    return drop | add
