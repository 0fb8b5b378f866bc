"""The industrial site as shipped: balances, sections in turn, and what the barrier holds back.

Recorded numbers guard the case against changes that nobody meant; the balances hold for any.
"""

import numpy as np
import pytest
from helpers.case_files import ROOT
from helpers.variant_files import variants

from ekm3d import Case, Simulation, open_results

CASE = ROOT / "cases" / "industrial"
SHORT = [*(f"schedule.stage.{n}.duration=1 h" for n in range(3)), "schedule.stage.2.repeat=2",
         "output.series_every=1 h"]


def leakage(overrides):
    """Share of the water fed that leaves through the sides at the start."""
    sim = Simulation(Case.read(CASE, overrides), "numpy")
    sim.fields()
    fed = sum(inflow[inflow > 0].sum() for _, inflow in sim.flow.wells)
    return sim.flow.through_sides()[1].sum() / fed


def test_voltage_and_barrier_hold_water_back():
    """Recorded: 10.7 % leaks with the barrier, 12.4 % without, 18.2 % without any voltage.

    In full pores the first solution of head and potential has the flow at once.
    """
    found = variants(CASE / "variants.toml")
    shares = [leakage(found[name]) for name in ("barrier and voltage", "no barrier", "no voltage")]
    assert shares == pytest.approx([0.107, 0.124, 0.182], abs=0.001)
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.slow
def test_a_short_run_of_the_site_closes_its_balances(tmp_path):
    """Six hours, an hour a section, 429 t of ore in the slice, a third of the cathodes at a time.

    Currents and energy are recorded; the balances close to rounding and the solvers' tolerance.
    """
    Simulation(Case.read(CASE, SHORT), "numpy").run(out=tmp_path, quiet=True)
    found = open_results(tmp_path)
    s, series = found.summary, found.series
    for key, limit in (("mass_balance_max", 1e-12), ("charge_balance_max", 1e-8),
                       ("faraday_error", 1e-8), ("water_balance_max", 1e-9)):
        assert s[key] < limit, key
    assert s["ore_kg"] == pytest.approx(17 * 24 * 1500.0)
    assert s["REE_initial_mg_per_kg"] * s["ore_kg"] == pytest.approx(878.0 * 13 * 22 * 1500.0)
    assert s["current_start_A"] == pytest.approx(38.01, rel=1e-3)
    assert s["energy_kWh"] == pytest.approx(14.3, rel=0.02)
    driven = np.array([[series[f"current_C{n}"][k] < 0 for n in (1, 2, 3)] for k in range(1, 7)])
    assert driven.tolist() == np.tile(np.eye(3, dtype=bool), (2, 1)).tolist()
