"""The columns of Wang et al. 2022 as shipped: wetted by the solver, mined, leached, shortened here.

Recorded numbers guard the cases against changes that nobody meant; the balances hold for any.
"""

import json

import numpy as np
import pytest
from helpers.case_files import ROOT

from ekm3d import Case, Simulation, open_results

CASES = ROOT / "cases"
BALANCES = ("mass_balance_max", "charge_balance_max", "faraday_error", "water_balance_max")
SHORT = ["schedule.stage.0.duration=3 h", "schedule.stage.1.duration=10 min"]


def run(name, out, *overrides):
    """The results of a run of a shipped case on NumPy."""
    Simulation(Case.read(CASES / name, overrides), "numpy").run(out=out, quiet=True)
    return open_results(out)


@pytest.mark.slow
def test_a_square_column_in_three_dimensions_is_the_one_in_one(tmp_path):
    """2 x 2 columns of voxels instead of one, two hours of wetting and ten minutes of current:
    nothing differs across the section, so that only rounding and the solvers' tolerance do."""
    short = ["schedule.stage.0.duration=2 h", "schedule.stage.1.duration=10 min"]
    one = run("bench_ekm", tmp_path / "one", *short).summary
    many = run("bench_ekm", tmp_path / "many", *short,
               'grid.spacing=["25.065 mm", "28.2 mm", "6.5 mm"]').summary
    assert many["cells"] == 4 * one["cells"]
    for key in ("charge_C", "water_fed_L", "leachate_L", "energy_kWh", "pH_min", "pH_max"):
        assert many[key] == pytest.approx(one[key], rel=1e-5, abs=1e-12), key


SLOW = [pytest.param(name, marks=pytest.mark.slow)
        for name in ("bench_leaching", "scaled_ekm", "scaled_leaching")]


@pytest.mark.parametrize("name", ["bench_ekm", *SLOW])
def test_balances_of_the_columns_close(tmp_path, name):
    """Mass, charge, Faraday and water of three hours of wetting and ten minutes more, as far as
    each is checked; limits are those at which a run would warn, README of the cases."""
    summary = run(name, tmp_path, *SHORT).summary
    limits = dict(zip(BALANCES, (1e-9, 1e-6, 1e-6, 1e-7), strict=True))
    for key, limit in limits.items():
        assert summary[key] is None or summary[key] < limit, key
    assert (summary["faraday_error"] is None) == ("leaching" in name)


@pytest.mark.slow
def test_the_bench_column_is_wetted_as_a_front(tmp_path):
    """48 h, 150 ml: the ore is full, 7.4 ml have run out, and the REE have moved to the lower half.

    Salt is conserved: 150 ml of 0.2 mol/l; so are the REE of 375 mg/kg, to the 6.4 that have left
    and what stands in the catholyte by then. 0.872 of the REE in the lower half is recorded; an
    even wetting would leave 0.5 there.
    """
    found = run("bench_ekm", tmp_path, "schedule.stage.1.duration=1 min")
    summary = found.summary
    assert summary["water_fed_L"] == pytest.approx(0.150, abs=1e-3)
    series, at = found.series, int(np.argmin(abs(found.series["time"] - 48.0)))
    assert series["leachate"][at] == pytest.approx(7.4e-3, abs=2e-4)
    assert summary["nh4_added_mol"] == pytest.approx(0.030, rel=1e-3)
    wetted = int(np.argmin(abs(found.times - 48 * 3600.0)))
    ree = found.field("REE_mg_per_kg", wetted)[:, 0, 0]
    ree = ree[np.isfinite(ree)]
    tanks = sum(1e6 * mass * series[f"tanks_{name}"][at] / summary["ore_kg"]
                for name, mass in (("LREE", 0.142), ("HREE", 0.110)))
    left = series["REE_in_leachate"][at] + tanks
    assert ree.sum() / ree.size + left == pytest.approx(375, rel=1e-3)
    assert ree[:10].sum() / ree.sum() == pytest.approx(0.872, abs=0.003)
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "done"
