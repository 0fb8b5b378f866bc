"""Speciation of a solution: its totals from an analysis or a recipe, as PHREEQC's SOLUTION.

Amounts are totals of components over all dissolved species [mol/m3 of water]. Acidity, T_H, is

    listed among them,                                 H+ counts +1, OH- -1, as everywhere;
    or set by sum_k z_k T_k = 0,                       by default;
    or set by a given pH,                              the charge imbalance is reported;
    or by a given pH, with the amount of a named ion   such that sum_k z_k T_k = 0 at that pH.

Gases named with a pressure are in equilibrium with the water and change its totals; the others
are absent. Minerals do not form, but the saturation index of each is reported.
"""

from dataclasses import dataclass, replace

import numpy as np

from ekm3d.chemistry.activity import LN10
from ekm3d.chemistry.equilibrium import EquilibriumSolver, acidity_from_neutrality
from ekm3d.chemistry.system import ChemicalSystem, unknown
from ekm3d.chemistry.voxel_solver import ChemistryError, Result
from ekm3d.errors import InputError

MAX_AMOUNT = 2e4          # mol/m3, largest amount of an ion that closes the charge
MIN_PH, MAX_PH = -2.0, 16.0


@dataclass(frozen=True)
class Water:
    """A solution at equilibrium."""

    total: np.ndarray            # (K,) mol/m3 of water, uptake of gases included
    c: np.ndarray                # (S,) species, mol/m3
    pH: float                    # NaN without acidity
    ionic_strength: float        # mol/l
    imbalance: float             # sum z_k T_k, eq/m3; 0 but for rounding unless only pH was given
    saturation: dict[str, float]    # mineral -> log10 Omega; -inf where a component is missing


def speciate(chem: ChemicalSystem, amounts: dict[str, float], pH: float | None = None,
             balance: str | None = None, pressures: dict[str, float] | None = None,
             place: str = "water") -> Water:
    """Return the Water with amounts {component: mol/m3}; see the module's text.

    balance: the component whose amount closes the charge at that pH, replacing any listed one;
    pressures {gas: atm}. Raises InputError, beginning with `place`, where the arguments are
    wrong, contradict each other or would require a negative amount.
    """
    total, listed = _totals(chem, amounts, place)
    ion = _balancing(chem, balance, pH, place)
    chem = _open(chem, pressures or {}, place)
    H = chem.hydrogen
    if pH is not None:
        if H is None:
            raise InputError(f"{place}: pH = {pH}, but H+ is not a component")
        if listed:
            raise InputError(f"{place}: both pH and an amount of H+ are given, leave one out")
        if not MIN_PH <= pH <= MAX_PH:
            raise InputError(f"{place}: pH = {pH}, must be {MIN_PH:g} to {MAX_PH:g}")
        solve = _Solver(_at_pH(chem, pH, H), place)
    else:
        if H is not None and not listed:
            total[H] = acidity_from_neutrality(chem, total)
        solve = _Solver(chem, place)
    if ion is not None:
        total[ion] = _neutral_amount(chem, solve, total, ion, pH, place)
    result, total = solve(total)
    return Water(total=total, c=result.c[:, 0], pH=float(result.pH[0]),
                 ionic_strength=float(result.ionic_strength[0]),
                 imbalance=float(chem.charge @ total),
                 saturation=_saturation_indices(chem, result))


def _saturation_indices(chem, result):
    """Return {mineral: log10 Omega}, -inf where a component is missing."""
    u, a_w = result.warm_start[:len(chem.components), 0], result.water_activity[0]
    index = (chem.nu_m @ u + chem.water_m * np.log(a_w)) / LN10 - chem.log_k_m
    missing = (chem.nu_m != 0) @ (u < -1e3)
    return dict(zip(chem.minerals, np.where(missing, -np.inf, index).tolist(), strict=True))


class _Solver:
    """Equilibrium of one solution without minerals."""

    def __init__(self, chem: ChemicalSystem, place: str):
        K = len(chem.components)
        none = np.zeros(0)
        self.chem = replace(chem, minerals=(), nu_m=np.zeros((0, K)), water_m=none, log_k_m=none,
                            volume_m=none)
        self.solver, self.place = EquilibriumSolver(self.chem), place

    def __call__(self, total: np.ndarray) -> tuple[Result, np.ndarray]:
        """Return (Result, totals (K,) with the uptake of gases) of totals (K,) mol/m3."""
        try:
            result = self.solver.solve_numpy(total[:, None], np.ones(1))
        except ChemistryError as error:
            raise InputError(f"{self.place}: {error}") from error
        return result, total + self.chem.nu_g.reshape(-1, total.size).T @ result.gas[:, 0]


def _totals(chem, amounts, place):
    """Return totals (K,) of the amounts, and True where acidity is among them."""
    total, listed = np.zeros(len(chem.components)), False
    for name, amount in amounts.items():
        try:
            k = chem.index(name)
        except ValueError as error:
            raise InputError(f"{place}: {error}") from error
        if not np.isfinite(amount) or (amount < 0 and k != chem.hydrogen):
            raise InputError(f"{place}: {name} = {amount} mol/m3, must not be negative")
        total[k] += amount
        listed |= k == chem.hydrogen
    return total, listed


def _balancing(chem, balance, pH, place):
    """Return the index of the component that closes the charge, or None."""
    if balance is None:
        return None
    if pH is None:
        raise InputError(f"{place}: balance = '{balance}' needs a pH; without one acidity closes "
                         "the charge")
    try:
        ion = chem.index(balance)
    except ValueError as error:
        raise InputError(f"{place}: balance: {error}") from error
    if ion == chem.hydrogen or chem.charge[ion] == 0:
        raise InputError(f"{place}: balance = '{balance}', must be an ion other than H+")
    return ion


def _open(chem, pressures, place):
    """Return the system with just the gases that have a pressure [atm] here."""
    for name, value in pressures.items():
        if name not in chem.gases:
            raise InputError(f"{place}: " + unknown("gas", name, chem.gases))
        if not value > 0:
            raise InputError(f"{place}: {name} = {value} atm, must be above 0")
    chosen = [g for g, name in enumerate(chem.gases) if name in pressures]
    nu = chem.nu_g.reshape(-1, len(chem.components))
    return replace(chem, gases=tuple(chem.gases[g] for g in chosen), nu_g=nu[chosen],
                   water_g=chem.water_g[chosen], log_k_g=chem.log_k_g[chosen],
                   pressure_g=np.array([pressures[chem.gases[g]] for g in chosen], float))


def _at_pH(chem, pH, hydrogen):
    """Return the system with H+ at the fixed activity 10^-pH, supplied like a gas."""
    nu = np.zeros((1, len(chem.components)))
    nu[0, hydrogen] = 1.0
    return replace(chem, gases=(*chem.gases, f"pH {pH:g}"), nu_g=np.vstack([chem.nu_g, nu]),
                   water_g=np.append(chem.water_g, 0.0), log_k_g=np.append(chem.log_k_g, 0.0),
                   pressure_g=np.append(chem.pressure_g, 10.0**-pH))


def _neutral_amount(chem, solve, total, ion, pH, place):
    """Return the amount [mol/m3] of a component at which the solution is neutral."""
    def charge(amount):
        trial = total.copy()
        trial[ion] = amount
        return float(chem.charge @ solve(trial)[1])

    without = charge(0.0)
    step = abs(without) / abs(chem.charge[ion])
    while step and without * charge(step) > 0:
        step *= 2
        if step > MAX_AMOUNT:
            name = chem.components[ion]
            raise InputError(
                f"{place}: no amount of {name} makes it neutral at pH {pH:g}: without {name} its "
                f"charge is {without:.4g} eq/m3, which takes "
                f"{'an anion' if without > 0 else 'a cation'} to balance")
    if not step:
        return 0.0
    from scipy.optimize import brentq  # imported here: it costs 0.3 s
    return brentq(charge, 0.0, step, xtol=1e-15, rtol=1e-14)
