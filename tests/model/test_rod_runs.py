"""Runs with rods: species, charge and energy, in pieces, by ranks, on both backends."""

import numpy as np
import pytest
from helpers.quick_flags import quick_backend
from helpers.rank_comparison import assert_same_steps
from helpers.rod_cases import SUPPLIES, rod_case
from helpers.runs_in_pieces import assert_equal_results, in_pieces
from helpers.salt_block import ORE

from ekm3d import Case, Simulation
from ekm3d.constants import FARADAY
from ekm3d.diagnostics.energy import energy_error

SHORT = ("schedule.stage.0.duration=30 min", "output.snapshot_every=15 min",
         "output.series_every=10 min")
REVERSED = 'schedule.stage.0.reverse={every="10 min", lasting="4 min"}'


def run(folder, *overrides, minutes=60, backend=None, supplies=False):
    """The simulation after some minutes, and the charge that its rows have passed by itself [C]."""
    sim = Simulation(Case.read(rod_case(folder, supplies), overrides), backend or quick_backend())
    charge = np.zeros(3)
    while sim.state.time < 60 * minutes * (1 - 1e-9):
        dt = sim.step(60 * minutes)
        charge += sim.boundary_values.row_currents() * dt
    return sim, charge


@pytest.mark.parametrize("overrides", [(), (REVERSED,), ("schedule.order=2",)])
def test_faradays_law_mass_and_energy_hold_at_rods(tmp_path, overrides):
    """Acid at the anodes, base in the tank or, reversed, in the ore: made as charge passes.

    Found in boxes around the rods, which only totals and fluxes fill: 1e-9 as everywhere. Mass
    1e-12, rounding; energy 1e-8 with the heat of contacts, rods that resist and overvoltage.
    """
    sim, charge = run(tmp_path, *ORE, *overrides)
    left, right = (sim.state.electrode_acid[sim.electrodes.strip_row == r].sum() for r in (0, 1))
    assert charge[:2] / FARADAY == pytest.approx([left, right], rel=1e-12)
    assert abs(left) > 1e-3
    assert sim.balances.faraday_error() < 1e-9
    assert sim.balances.mass_errors().max() < 1e-12
    assert sim.balances.charge_max < 1e-9
    assert energy_error(sim) < 1e-8


def test_the_plate_captures_and_the_drain_collects_at_a_rod(tmp_path):
    """A rod with a tank is a cathode like others: earths on its plate, leachate from its tank."""
    sim, _ = run(tmp_path, *ORE, minutes=240)
    k = sim.chem.labels.index("LREE")
    assert sim.state.plate_totals[k, 2] > 0 and sim.state.leachate[k] > 0
    assert sim.state.leachate_volume > 0


def test_contacts_age_by_charge_and_time(tmp_path):
    """R = R_0 (1 + k_Q Q/A + k_t t) with the charge that has passed, of either sign."""
    sim, _ = run(tmp_path, *ORE, REVERSED)
    s, el = sim.state, sim.electrodes
    time = s.time
    sim.fields()
    grown = sim.potential.boundary.resistance / sim.contacts.faces.resistance
    expected = 1 + 1e-4 * s.electrode_charge / el.area + 0.5 / 86400 * time
    at = sim.contacts.faces.strip
    assert grown[at < 2] == pytest.approx(expected[at[at < 2]], rel=1e-12)
    assert (grown[at >= 2] == 1.0).all() and expected[0] > 1.05
    assert (s.electrode_charge > FARADAY * np.abs(s.electrode_acid))[:3].all()   # reversed


@pytest.mark.parametrize("name, overrides", [
    pytest.param("one supply", (REVERSED,), marks=pytest.mark.slow),
    pytest.param("Heun", ("schedule.order=2",), marks=pytest.mark.slow),
    ("supplies", (SUPPLIES,))])
def test_a_run_in_pieces_has_the_bits_of_a_whole_one(tmp_path, name, overrides):
    """Lines, overvoltage, ageing and supplies begin from what a checkpoint holds."""
    case = Case.read(rod_case(tmp_path, name == "supplies"), (*SHORT, *ORE, *overrides))
    Simulation(case, quick_backend()).run(tmp_path / "whole", quiet=True)
    assert in_pieces(case, quick_backend(), tmp_path / "pieces") >= 3
    assert_equal_results(tmp_path / "whole", tmp_path / "pieces")


@pytest.mark.slow
@pytest.mark.parametrize("backend, count, supplies", [("numpy", 3, True), ("cpp", 4, False)])
def test_every_array_of_every_step_is_the_same_on_ranks(tmp_path, backend, count, supplies):
    """Rods that cross the boxes of ranks; links, chains and supplies are the same on all.

    By default with kernels at -Og, among others, in test_ranks.
    """
    overrides = (*ORE, *((SUPPLIES,) if supplies else ()))
    assert_same_steps(count, (backend, 4, rod_case(tmp_path, supplies), *overrides))


def test_backends_agree(tmp_path):
    """Current of every row after half an hour by cpp within 1e-9 of that by numpy: rounding."""
    found = run(tmp_path / "a", *ORE, minutes=30)[1]
    exact = run(tmp_path / "b", *ORE, minutes=30, backend="numpy")[1]
    assert found == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_several_supplies_are_columns_of_the_series(tmp_path):
    """The limit of 4 W rules; the power of the series is that of the supply, 4 W."""
    case = Case.read(rod_case(tmp_path, True), (*SHORT, *ORE, SUPPLIES))
    series = Simulation(case, quick_backend()).run(tmp_path / "out", quiet=True).series
    volts, amperes = (series[f"supply_main_{name}"][-1] for name in ("voltage", "current"))
    assert max(volts / 20, amperes / 0.25, volts * amperes / 4) == pytest.approx(1.0, rel=1e-8)
    assert series["power"][-1] == pytest.approx(volts * amperes, rel=1e-8)
