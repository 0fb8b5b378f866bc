"""Columns of the budget: every way in and out, and what the block, tanks and plates hold.

For every component but acidity, in mol,

    ore + tanks + plates + out = ore + tanks at t = 0 + in

with `in` and `out` over all wells and sides, the gases and what is dosed: the columns of series.csv
close by themselves. Solids may settle in every tank, also in that of an electrode that is idle.
"""

from collections.abc import Iterator

import numpy as np

from ekm3d.boundaries.wells import OUTFLOW_ONLY
from ekm3d.diagnostics.run_view import RunView


def budget_columns(run: RunView, held: np.ndarray) -> dict[str, float]:
    """Columns {name[unit]: value} now; held: mol of every component in the ore."""
    s, chem = run.state, run.chem
    named = [(k, label) for k, label in enumerate(chem.labels) if k != chem.hydrogen]
    columns = {}
    for way, water, moved in flows(run):
        columns[f"{way}_water[L]"] = 1e3 * water
        columns |= {f"{way}_{label}[mol]": moved[k] for k, label in named}
    tanks = s.catholyte_totals.sum(1)
    treatment = run.catholytes.treatment
    breathed = dosed = np.zeros(len(chem.components), bool)
    if treatment is not None:
        breathed, dosed = treatment.exchanged, treatment.given
    for k, label in named:
        columns[f"ore_{label}[mol]"], columns[f"tanks_{label}[mol]"] = held[k], tanks[k]
        if (chem.nu_m[:, k] != 0).any():
            columns |= {f"plate_{run.electrodes.names[n]}_{label}[mol]": s.plate_totals[k, n]
                        for n in np.flatnonzero(run.electrodes.volume > 0)}
        if dosed[k]:
            columns[f"dosed_{label}[mol]"] = s.dosed[k]
        if breathed[k] or chem.gases and (chem.nu_g[:, k] != 0).any():
            columns[f"gas_in_{label}[mol]"] = run.balances.budget.gained[k]
            columns[f"gas_out_{label}[mol]"] = run.balances.budget.given_off[k]
    return columns


def treatment_totals(run: RunView) -> dict[str, float]:
    """Components {key: mol} dosed into the catholytes, and exchanged with the air over them.

    {} without either; acidity is left out.
    """
    treatment, s, chem = run.catholytes.treatment, run.state, run.chem
    if treatment is None:
        return {}
    named = [(k, label) for k, label in enumerate(chem.labels) if k != chem.hydrogen]
    return ({f"dosed_{label}_mol": float(s.dosed[k]) for k, label in named if treatment.given[k]}
            | {f"gas_{label}_mol": float(s.gas_uptake[k]) for k, label in named
               if treatment.exchanged[k]})


def flows(run: RunView) -> Iterator[tuple[str, float, np.ndarray]]:
    """Yield (name_in or name_out, water [m3], components [mol]) of every well and side.

    An injection has no way out, a drain or a collector none in. name_runoff: of rain; name_out:
    also what comes out of the full surface on which it falls.
    """
    budget, kinds = run.balances.budget, [well.kind for well in run.case.openings]
    rain = {n for n, opening in enumerate(run.case.openings)
            if getattr(opening, "law", None) == "rain"}
    for n, way in enumerate(budget.ways):
        kind = kinds[n] if n < len(kinds) else "side"
        if kind not in OUTFLOW_ONLY:
            yield f"{way}_in", float(budget.water_in[n]), budget.moved_in[n]
        if kind != "injection" or n in rain:
            yield f"{way}_out", float(budget.water_out[n]), budget.moved_out[n]
        if n in rain:
            yield f"{way}_runoff", float(budget.runoff[n]), budget.salt_in_runoff[n]


def way_totals(run: RunView, mass: float, nitrogen: int | None) -> dict[str, float]:
    """Water, REE and ammonium {key: value} that came in and went out by every well and side.

    mass: kg of dry ore; nitrogen: number of the component of ammonium.
    """
    chem = run.chem
    ree = [k for k, group in enumerate(chem.groups) if group == "REE"]
    out = {"water_lost_L": 1e3 * run.state.drained_volume}
    for way, water, moved in flows(run):
        out[f"{way}_water_L"] = 1e3 * water
        if ree:
            out[f"{way}_REE_mg_per_kg"] = float(1e6 / mass * moved[ree] @ chem.molar_mass[ree])
        if nitrogen is not None:
            out[f"{way}_NH4_mol"] = float(moved[nitrogen])
    return out
