"""Budget by well, side and plate: the columns of a run close, and Faraday's law with open sides."""

import json
import math

import numpy as np
import pytest
from helpers.salt_block import ORE, advance, salt_case, simulation

from ekm3d.constants import FARADAY
from ekm3d.diagnostics.summary import summary as summarise
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.output.results import open_results
from ekm3d.output.run_directory import table

NACL = 'composition={"Na+"="10 mmol/l", "SO4-2"="5 mmol/l"}'
BOTTOM = f"side=[{{face='z-', head='-5 cm', {NACL}}}]"
ADVECTIVE = "side=[{face='z-', head='-5 cm'}]"
BESIDE_ANODES = f"side=[{{face='x-', {NACL}, potential='0 V'}}, {{face='y+', flux='1e-8 m/s'}}]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("salt"))


def budget_of_columns(first, last, label):
    """(what is there and left, less what was there and came; the sum of all) [mol] of two rows."""
    names = {name: sign for name in last for sign, ends in ((1, "_out_"), (-1, "_in_"))
             if name.endswith(f"{ends}{label}[mol]")}
    terms = [sign * (last[name] - first[name]) for name, sign in names.items()]
    for name in last:
        if name in (f"ore_{label}[mol]", f"tanks_{label}[mol]") or (
                name.startswith("plate_") and name.endswith(f"_{label}[mol]")
                and name != f"plate_{label}[mol]"):
            terms.append(last[name] - first[name])
    return sum(terms), sum(map(abs, terms)) + last[f"ore_{label}[mol]"]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("sides", [BOTTOM, ADVECTIVE, BESIDE_ANODES], ids=["z", "water", "x"])
def test_columns_close_for_every_component_and_for_water(folder, sides, order):
    """Ore, tanks and plates gain what wells and sides bring, less what they take: 1e-12 of all.

    Transport moves totals by what crosses faces, so only rounding is left; the water content is
    constant, so as much water enters as leaves, to the solver's 1e-10.
    """
    sim = simulation(folder, *ORE, sides, f"schedule.order={order}")
    series = TimeSeries(sim)
    sim.fields()
    series.record(0.0)
    first = series.row()
    advance(sim, 3 * 3600.0, series.record)
    last = series.row()
    assert list(first) == list(last)
    moved = 0.0
    for k, label in enumerate(sim.chem.labels):
        if k != sim.chem.hydrogen:
            error, size = budget_of_columns(first, last, label)
            assert abs(error) < 1e-12 * size
            moved += sum(last[name] for name in last if name.startswith("side_")
                         and name.endswith(f"_{label}[mol]"))
    assert moved > 1e-6
    water_in, water_out = (sum(value for name, value in last.items()
                               if name.endswith(f"_{word}_water[L]")) for word in ("in", "out"))
    assert water_in > 0.1 and water_in == pytest.approx(water_out, rel=1e-9)


@pytest.mark.parametrize("sides", [BOTTOM, ADVECTIVE, BESIDE_ANODES], ids=["z", "water", "x"])
def test_faraday_s_law_holds_with_open_sides(folder, sides):
    """The boxes count the acid that crosses the sides they touch: 1e-9 of the charge passed.

    The bound is that of the same block without sides, with room for the larger flows of ions.
    """
    sim = simulation(folder, sides)
    advance(sim, 3600.0)
    assert np.abs(sim.state.electrode_acid).sum() > 1e-3
    assert sim.balances.faraday_error() < 1e-9


def test_faraday_s_law_can_fail_with_open_sides(folder, monkeypatch):
    """Half of the anodes' acid left out is half of the charge missing."""
    sim = simulation(folder, BESIDE_ANODES)
    prepare = sim.transport.prepare

    def spoilt(*arguments):
        longest = prepare(*arguments)
        anode = sim.electrodes.roles(sim.drive) > 0
        np.add.at(sim.transport.ore[sim.chem.hydrogen].reshape(-1),
                  sim.electrodes.faces.voxel[anode], -0.5 * sim.potential.into_ore[
                      :anode.size][anode] / FARADAY)
        return longest

    monkeypatch.setattr(sim.transport, "prepare", spoilt)
    advance(sim, 1200.0)
    assert sim.balances.faraday_error() == pytest.approx(0.5, rel=1e-6)


def test_rows_one_voxel_apart_do_not_spoil_each_other_s_audit(folder):
    """The boxes of neighbouring rows overlap; each counts the other's acid as what passed it."""
    sim = simulation(folder, "schedule.stage.0.cathodes=['middle']",
                     "electrodes.row.2.plates=[[[0.2, 0, 0], [0.3, 0.45, 0.8]]]")
    advance(sim, 1800.0)
    assert sim.balances.faraday_error() < 1e-9


def test_no_current_no_audit(folder):
    """Without a current Faraday's law cannot be checked, without potential no charge either."""
    rest = simulation(folder, "schedule.stage.0.voltage='0 V'")
    rest.step()
    assert rest.balances.faraday_error() is None and rest.balances.charge_max is not None
    off = simulation(folder, "physics.potential=false", "physics.flow=false")
    off.step()
    assert off.balances.charge_max is None and off.balances.water_max is None


def test_a_lost_mole_is_seen_in_every_later_row(folder):
    """1e-4 mol of Na+ taken out and put back: the error of mass remembers its largest value."""
    sim = simulation(folder)
    sim.step()
    na = sim.chem.index("Na+")
    voxel = (na, 3, 3, 3)
    sim.state.totals[voxel] -= 1e-4 / sim.grid.voxel_volume
    worst = sim.balances.mass_errors()[na]
    sim.state.totals[voxel] += 1e-4 / sim.grid.voxel_volume
    assert worst == pytest.approx(1e-4 / (sim.balances.scale + sim.balances.budget.passed)[na],
                                  rel=1e-6)
    assert sim.balances.mass_errors()[na] == worst


def test_mass_out_of_nothing_is_an_error(folder):
    """1e-6 mol of a component that the block never held: no scale, and yet no zero."""
    sim = simulation(folder, *ORE, 'ore.exchangeable={LREE="500 mg/kg", Al="100 mg/kg"}')
    hree = sim.chem.index("HREE+3")
    assert sim.balances.scale[hree] == 0.0
    sim.state.totals[hree, 3, 3, 3] = 1e-6 / sim.grid.voxel_volume
    assert sim.balances.mass_errors()[hree] > 1e-6


def test_collector_and_drain_at_one_row_share_its_water(folder):
    """At equal heads each takes half of the catholyte: leachate and loss of every component."""
    drain = ("well=[{name='feed', kind='injection', at='anodes', rate='2e-8 m3/s'}, "
             "{name='c', kind='collector', at='cathodes', head='0 m'}, "
             "{name='d', kind='drain', at='cathodes', head='0 m'}]")
    sim = advance(simulation(folder, drain), 3600.0)
    s, budget = sim.state, sim.balances.budget
    assert s.leachate_volume == pytest.approx(s.drained_volume, rel=1e-9)
    np.testing.assert_allclose(s.leachate, s.drained, rtol=1e-9)
    np.testing.assert_allclose(budget.moved_out[1], s.leachate, rtol=1e-12)


def test_water_is_counted_without_transport(folder):
    """2e-8 m3/s for an hour: 0.072 l in and out, though no component moves."""
    sim = simulation(folder, "physics.transport=false", "physics.potential=false")
    series = TimeSeries(sim)
    advance(sim, 3600.0, series.record)
    row = series.row()
    assert row["water_fed[L]"] == pytest.approx(0.072, rel=1e-9)
    assert row["leachate[L]"] == row["well_leachate_out_water[L]"] == pytest.approx(0.072, rel=1e-9)
    assert row["mass_balance[1]"] is None and row["faraday_error[1]"] is None


def test_summary_names_what_left_by_a_side(folder):
    """Of the ammonium added, what is not in the ore went out, a part of it through the bottom."""
    sim = simulation(folder, *ORE, BOTTOM)
    series = TimeSeries(sim)
    advance(sim, 3 * 3600.0, series.record)
    row, summary = series.row(), summarise(series, 1.0)
    assert summary["side_z-_out_NH4_mol"] > 1e-3
    assert summary["side_z-_out_REE_mg_per_kg"] > 0.0
    parts = sum(row[f"NH4_{part}[mol]"] for part in ("in_pore_water", "on_clay", "out"))
    assert parts == pytest.approx(row["NH4_added[mol]"], rel=1e-12)
    assert summary["nh4_out_mol"] == row["NH4_out[mol]"]


def test_energy_counts_the_supply_of_sides(folder):
    """A block between two sides at 5 V and 0 V, no electrode driven: power = 5 V times current."""
    sides = (f"side=[{{face='y-', {NACL}, potential='5 V'}}, "
             f"{{face='y+', {NACL}, potential='0 V'}}]")
    sim = simulation(folder, sides, "schedule.stage=[{name='rest', duration='1 h'}]", "well=[]")
    series = TimeSeries(sim)
    sim.step()
    series.record(sim.dt)
    current = sim.boundary_values.side_currents()["y-"]
    assert current > 0.0
    assert series.power == pytest.approx(5.0 * current, rel=1e-12)
    assert series.row()["current_side_y-[A]"] == current


def test_files_of_a_run_hold_null_and_empty_cells(folder, tmp_path):
    """A salt has no REE: null in summary.json, an empty cell in series.csv, "-" on the terminal."""
    sim = simulation(folder, "schedule.stage.0.duration='10 min'")
    sim.run(tmp_path / "out", quiet=True)
    text = (tmp_path / "out" / "summary.json").read_text()
    summary = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert summary["recovery_REE"] is None and summary["energy_kWh_per_kg_REE"] is None
    results = open_results(tmp_path / "out")
    assert np.isnan(results.series["recovery_REE"]).all()
    assert np.isfinite(results.series["recovery_Na"]).all()
    line = next(line for line in table(summary).splitlines() if line.startswith("recovery_REE"))
    assert line.split() == ["recovery_REE", "-"]
    assert not math.isnan(summary["charge_C"])
