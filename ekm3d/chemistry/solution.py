"""Initial waters: the totals of a solution from what an analysis, or a recipe, says of it.

Amounts are totals of components over all dissolved species [mol/m3 of water]. Acidity, T_H, is

    listed among them,                                 H+ counted +1, OH- -1, as everywhere;
    or the one that makes sum_k z_k T_k = 0,           nothing else said
    or the one that goes with a given pH,              the charge left over is reported
    or that, and the amount of a named ion besides     such that sum_k z_k T_k = 0 at that pH.

Gases named with a pressure are in equilibrium with the water and change its totals; the others
are kept out. Minerals do not form, but how far each is from saturation is reported.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from ekm3d.chemistry.activity import LN10
from ekm3d.chemistry.equilibrium import ChemistryError, EquilibriumSolver, acidity_from_neutrality
from ekm3d.chemistry.system import unknown

MOST = 2e4                # mol/m3, beyond which an ion is not looked for
LOWEST, HIGHEST = -2.0, 16.0   # pH that a water can have


@dataclass(frozen=True)
class Water:
    """A solution at equilibrium."""

    total: np.ndarray            # (K,) mol/m3 of water, what the gases gave included
    c: np.ndarray                # (S,) species, mol/m3
    pH: float                    # NaN without acidity
    ionic_strength: float        # mol/l
    imbalance: float             # sum z_k T_k, eq/m3; 0 but for rounding unless only pH was given
    saturation: dict             # mineral -> log10 Omega; -inf where a component is missing


def water(chem, amounts, pH=None, balance=None, pressures=None, place="water"):
    """The Water with amounts {component: mol/m3}; see the module's text.

    balance: the component whose amount, whatever is listed for it, closes the charge at that pH;
    pressures {gas: atm}. Raises ValueError, beginning with `place`, where the statements are
    wrong, contradict each other or would take a negative amount.
    """
    total, listed = _totals(chem, amounts, place)
    ion = _balancing(chem, balance, pH, place)
    chem = _open(chem, pressures or {}, place)
    H = chem.hydrogen
    if pH is not None:
        if H is None:
            raise ValueError(f"{place}: pH = {pH}, but H+ is not a component")
        if listed:
            raise ValueError(f"{place}: both pH and an amount of H+ are given, leave one out")
        if not LOWEST <= pH <= HIGHEST:
            raise ValueError(f"{place}: pH = {pH}, must be {LOWEST:g} to {HIGHEST:g}")
        solve = _Solver(_held(chem, pH), place)
    else:
        if H is not None and not listed:
            total[H] = acidity_from_neutrality(chem, total)
        solve = _Solver(chem, place)
    if ion is not None:
        total[ion] = _neutral_amount(chem, solve, total, ion, pH, place)
    found, total = solve(total)
    u, a_w = found.warm_start[:total.size, 0], found.water_activity[0]
    index = (chem.nu_m @ u + chem.water_m * np.log(a_w)) / LN10 - chem.log_k_m
    missing = (chem.nu_m != 0) @ (u < -1e3)
    return Water(total=total, c=found.c[:, 0], pH=float(found.pH[0]),
                 ionic_strength=float(found.ionic_strength[0]),
                 imbalance=float(chem.charge @ total),
                 saturation=dict(zip(chem.minerals, np.where(missing, -np.inf, index).tolist())))


class _Solver:
    """Totals of one solution -> (Result, totals with what its gases gave)."""

    def __init__(self, chem, place):
        K = len(chem.components)
        none = np.zeros(0)
        self.chem = replace(chem, minerals=(), nu_m=np.zeros((0, K)), water_m=none, log_k_m=none,
                            volume_m=none)
        self.engine, self.place = EquilibriumSolver(self.chem), place

    def __call__(self, total):
        try:
            found = self.engine.solve_numpy(total[:, None], np.ones(1))
        except ChemistryError as error:
            raise ValueError(f"{self.place}: {error}") from error
        return found, total + self.chem.nu_g.reshape(-1, total.size).T @ found.gas[:, 0]


def _totals(chem, amounts, place):
    """(K,) totals of the amounts, and whether acidity is among them."""
    total, listed = np.zeros(len(chem.components)), False
    for name, amount in amounts.items():
        try:
            k = chem.index(name)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error
        if not np.isfinite(amount) or (amount < 0 and k != chem.hydrogen):
            raise ValueError(f"{place}: {name} = {amount} mol/m3, must not be negative")
        total[k] += amount
        listed |= k == chem.hydrogen
    return total, listed


def _balancing(chem, balance, pH, place):
    """Index of the component that closes the charge, or None."""
    if balance is None:
        return None
    if pH is None:
        raise ValueError(f"{place}: balance = '{balance}' needs a pH; without one acidity closes "
                         "the charge")
    try:
        ion = chem.index(balance)
    except ValueError as error:
        raise ValueError(f"{place}: balance: {error}") from error
    if ion == chem.hydrogen or chem.charge[ion] == 0:
        raise ValueError(f"{place}: balance = '{balance}', must be an ion other than H+")
    return ion


def _open(chem, pressures, place):
    """The chemistry with just the gases that have a pressure [atm] here."""
    for name, value in pressures.items():
        if name not in chem.gases:
            raise ValueError(f"{place}: " + unknown("gas", name, chem.gases))
        if not value > 0:
            raise ValueError(f"{place}: {name} = {value} atm, must be above 0")
    kept = [g for g, name in enumerate(chem.gases) if name in pressures]
    nu = chem.nu_g.reshape(-1, len(chem.components))
    return replace(chem, gases=tuple(chem.gases[g] for g in kept), nu_g=nu[kept],
                   water_g=chem.water_g[kept], log_k_g=chem.log_k_g[kept],
                   pressure_g=np.array([pressures[chem.gases[g]] for g in kept], float))


def _held(chem, pH):
    """The chemistry with a supply of H+ at the activity 10^-pH, as if it were a gas."""
    nu = np.zeros((1, len(chem.components)))
    nu[0, chem.hydrogen] = 1.0
    return replace(chem, gases=(*chem.gases, f"pH {pH:g}"), nu_g=np.vstack([chem.nu_g, nu]),
                   water_g=np.append(chem.water_g, 0.0), log_k_g=np.append(chem.log_k_g, 0.0),
                   pressure_g=np.append(chem.pressure_g, 10.0**-pH))


def _neutral_amount(chem, solve, total, ion, pH, place):
    """The amount [mol/m3] of a component at which the solution is neutral."""
    def charge(amount):
        trial = total.copy()
        trial[ion] = amount
        return float(chem.charge @ solve(trial)[1])

    without = charge(0.0)
    step = abs(without) / abs(chem.charge[ion])
    while step and without * charge(step) > 0:
        step *= 2
        if step > MOST:
            name = chem.components[ion]
            raise ValueError(
                f"{place}: no amount of {name} makes it neutral at pH {pH:g}: without {name} its "
                f"charge is {without:.4g} eq/m3, which takes "
                f"{'an anion' if without > 0 else 'a cation'} to balance")
    return brentq(charge, 0.0, step, xtol=1e-15, rtol=1e-14) if step else 0.0
