"""Summary of a run: the answers on the last line of a plan, and how well the balances close.

    removal = (C_ini - C) / C_ini   (4) of Wang et al. (2022): of the ion-exchangeable content,
                                    mean of the sampling points

purity_REE is REE over REE and impurities in leachate and on plates together, purity_REE_leachate
and purity_REE_plate those of each; charge_over_REE the charge passed (eq) over the exchangeable REE
(eq): the most that electromigration alone could move. The other equations are those of
`time_series`. What is undefined or unknown is None.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ekm3d.constants import FARADAY, HOUR, KWH, MOLAR_MASS_N, NEGLIGIBLE
from ekm3d.diagnostics.budget_columns import treatment_totals, way_totals
from ekm3d.diagnostics.derived_fields import MG, parts
from ekm3d.diagnostics.inventory import by_phase
from ekm3d.diagnostics.sampling import Sample
from ekm3d.diagnostics.time_series import TimeSeries, quotient
from ekm3d.state import has_water


def stage_currents(series: TimeSeries) -> dict[int, tuple[float, float]]:
    """First and last current of every driven stage while on [A], by its number."""
    out: dict[int, tuple[float, float]] = {}
    for stage, current in series.currents:
        out[stage] = (out.get(stage, (current,))[0], current)
    return out


def summary(series: TimeSeries, wall: float) -> dict[str, Any]:
    """Flat keys with unit suffixes; wall: seconds that the run took."""
    run, s = series.run, series.run.state
    water, clay, solid = by_phase(run)
    out = {"title": run.case.title, "time_h": s.time / HOUR, "steps": s.step, "wall_s": wall,
           **({"water_substeps": s.water_substeps} if has_water(s) else {}),
           "cells": int(np.prod(run.domain.whole.shape)), "ore_kg": series.mass,
           "ore_m3": series.volume} | _read(run.case.readings)
    return (out | _electricity(series) | _recovery(series, solid) | _removal(series)
            | _efficiency(series) | _nitrogen(series, water, clay) | _quality(series))


def _read(readings: Sequence[Any]) -> dict[str, float]:
    """Largest difference of what the grid holds from the block models read, if there are any."""
    found = [0.01 * abs(r.difference) for r in readings if r.strict and r.difference is not None]
    return {"block_model_difference": max(found)} if found else {}


def _electricity(series: TimeSeries) -> dict[str, float | None]:
    """Energy, charge and currents."""
    currents = series.currents
    out: dict[str, float | None] = {"energy_kWh": series.energy / KWH,
           "energy_kWh_per_m3": quotient(series.energy / KWH, series.volume),
           "charge_C": series.charge,
           "current_start_A": currents[0][1] if currents else None,
           "current_end_A": currents[-1][1] if currents else None}
    for stage, (first, last) in stage_currents(series).items():
        out |= {f"current_stage{stage + 1}_start_A": first,
                f"current_stage{stage + 1}_end_A": last}
    return out


def _recovery(series: TimeSeries, solid: np.ndarray) -> dict[str, float | None]:
    """Water, and REE in leachate, plates and solids; solid: mol of every component."""
    s, chem = series.run.state, series.run.chem
    available = series.available()
    leachate, plate = series.collected()
    out = {"leachate_L": 1e3 * s.leachate_volume, "water_fed_L": 1e3 * s.injected_volume,
           "REE_initial_mg_per_kg": series.group(series.initial, "REE"),
           "REE_leachate_mg_per_kg": series.group(leachate, "REE"),
           "REE_plate_mg_per_kg": series.group(plate, "REE"),
           "REE_hydroxide_in_ore_mg_per_kg": series.group(solid, "REE"),
           "recovery_REE": series.share(leachate + plate, available)}
    return (out | {f"recovery_{label}": quotient((leachate + plate)[n], available[n])
                   for n, label in enumerate(chem.labels) if n != chem.hydrogen}
            | way_totals(series.run, series.mass, series.nitrogen)
            | treatment_totals(series.run))


def _removal(series: TimeSeries) -> dict[str, float | None]:
    """Removal of exchangeable REE at the sampling points that had any."""
    ree, there = series.exchangeable_ree(), series.initial_ree > 0
    removal = series.sample.of(np.divide(
        series.initial_ree - ree, series.initial_ree, out=np.zeros_like(ree), where=there), there)
    return {"removal_REE_mean": removal.mean,
            "removal_REE_min": removal.least, "removal_REE_max": removal.largest,
            "removal_points_above_90_percent": removal.above(0.9)}


def _efficiency(series: TimeSeries) -> dict[str, float | None]:
    """Impurities, purity, and energy and charge per REE."""
    chem = series.run.chem
    leachate, plate = series.collected()
    recovered = series.group(leachate + plate, "REE")
    kg = None if recovered is None else recovered * series.mass / MG
    if recovered is not None and recovered <= NEGLIGIBLE * (
            series.group(series.available(), "REE") or 0.0):
        kg = None                               # nothing but rounding, and so would be its energy
    equivalents = sum(chem.charge[n] * series.exchangeable[n]
                      for n, g in enumerate(chem.groups) if g == "REE")
    return {"impurity_mg_per_kg": series.group(leachate, "impurity"),
            "impurity_plate_mg_per_kg": series.group(plate, "impurity"),
            "purity_REE": _purity(series, leachate + plate),
            "purity_REE_leachate": _purity(series, leachate),
            "purity_REE_plate": _purity(series, plate),
            "energy_kWh_per_kg_REE": quotient(series.energy / KWH, kg),
            "charge_over_REE": quotient(series.charge / FARADAY, equivalents)}


def _purity(series: TimeSeries, moles: np.ndarray) -> float | None:
    """REE over REE and impurities by mass; None without REE, or where no impurity is known."""
    ree, impurity = series.group(moles, "REE"), series.group(moles, "impurity")
    if ree is None or impurity is None or not ree > 0.0:
        return None
    return ree / (ree + impurity)


def _nitrogen(series: TimeSeries, water: np.ndarray, clay: np.ndarray) -> dict[str, float | None]:
    """Ammonium added, and nitrogen left in the ore at the sampling points."""
    run, k = series.run, series.nitrogen
    out = {"nh4_added_mol": series.ammonium(water, clay)[0],
           "nh4_out_mol": series.ammonium(water, clay)[3],
           "residual_N_mg_per_kg": None, "exchangeable_N_mg_per_kg": None}
    if k is not None:
        per_kg = (MG * 1e-3 * MOLAR_MASS_N) / run.ore.density
        for name, amount in zip(("residual", "exchangeable"), parts(run, k), strict=False):
            amount = run.backend.to_numpy(amount)
            out[f"{name}_N_mg_per_kg"] = series.sample.of(per_kg * amount).mean
    return out


def _quality(series: TimeSeries) -> dict[str, float | None]:
    """Range of pH, and the errors of the balances."""
    run, balances = series.run, series.run.balances
    pH = Sample(run).of(run.backend.to_numpy(run.state.pH[run.grid.inner]))
    errors = balances.mass_errors()
    return {"pH_min": series.known_pH(pH.least), "pH_max": series.known_pH(pH.largest),
            "mass_balance_max": None if errors is None else float(errors.max()),
            "charge_balance_max": balances.charge_max,
            "faraday_error": balances.faraday_error(),
            "water_balance_max": balances.water_max}
