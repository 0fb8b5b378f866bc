"""Audits that act: limits, places, and a run that stops; nothing where a run is sound."""

import csv
import json

import numpy as np
import pytest
from helpers.case_files import ROOT, copy
from helpers.salt_block import ORE, PULSE, advance, salt_case, simulation

from ekm3d import Case, Simulation
from ekm3d.diagnostics.audits import ITERATIONS, LIMITS, Audits
from ekm3d.diagnostics.energy import energy_error, powers
from ekm3d.diagnostics.worst_voxel import AuditError
from ekm3d.grid.grid import GHOST
from ekm3d.model import retries

PLACE = GHOST + 1, GHOST + 1, GHOST + 2         # voxel (2, 1, 1) of 10 x 15 x 20 cm


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("audits"))


@pytest.fixture
def audited(folder):
    """A simulation of 20 min and its audits."""
    sim = advance(simulation(folder), 1200.0)
    audits = Audits(sim)
    audits.columns()
    return sim, audits


def test_a_sound_run_passes_far_below_every_limit(audited):
    """A thousandth of the warning at most, and one line that names every audit."""
    sim, audits = audited
    line, = audits.check()
    assert audits.facts() == {"audit_warnings": 0, "energy_error_max": audits.errors["energy"]}
    for name, limits in LIMITS.items():
        assert audits.errors[name] <= 1e-3 * limits.warning or name == "water"
        assert name in line
    assert 0.0 < audits.errors["current"] < 1e-9 and audits.errors["negative amounts"] == 0.0


def test_the_page_has_the_limits():
    """The table of cases/README.md, row by row."""
    page = (ROOT / "cases" / "README.md").read_text()
    for name, limits in LIMITS.items():
        assert f"\n| {name} | {limits.warning} | {limits.stop} |\n" in page


@pytest.mark.parametrize("part, told", [(1e-5, "warning: "), (1e-2, None)])
def test_net_charge_warns_once_and_then_stops(audited, part, told):
    """Sodium added to one voxel, 1e-5 or 1e-2 of its ions: above one limit, above both."""
    sim, audits = audited
    more = 4 * part * sim.state.totals[(1, *PLACE)]
    sim.state.totals[(1, *PLACE)] += more
    sim.state.injected[1] += more * sim.grid.voxel_volume           # mass has no fault
    sim.reactions.advance(sim.state)
    sim.balances.check_charge()
    audits.columns()
    if told is None:
        with pytest.raises(AuditError, match=r"charge .*voxel \(2, 1, 1\) at \(0.25, 0.225, 0.3\) m"
                                             ".* phi .* Na"):
            audits.check()
        return
    lines = audits.check()
    assert [line.startswith(told) for line in lines] == [False, True]
    assert "voxel (2, 1, 1)" in lines[1] and audits.facts()["audit_warnings"] == 1
    assert len(audits.check()) == 1


def test_mass_from_nowhere_stops_the_run_with_the_component(audited):
    """A hundredth of the sulfate of one catholyte of three: 1e-5 of all and more."""
    sim, audits = audited
    k = sim.chem.components.index("SO4-2")
    sim.state.catholyte_totals[k, 2] *= 1.1
    audits.columns()
    with pytest.raises(AuditError, match=r"mass .* component SO4-2"):
        audits.check()


def test_a_negative_amount_stops_the_run(audited):
    """1e-5 of the sodium of a voxel below zero, and its place; acidity may be negative."""
    sim, audits = audited
    largest = sim.state.totals[1].max()
    sim.state.totals[(1, *PLACE)] = -1e-5 * largest
    assert audits.columns()["negative_amounts[1]"] == pytest.approx(1e-5, rel=1e-12)
    sim.balances.mass_errors = lambda: None
    audits.columns()
    with pytest.raises(AuditError, match=r"negative amounts .*voxel \(2, 1, 1\)"):
        audits.check()
    sim.state.totals[(1, *PLACE)] = 1.0
    sim.state.totals[(sim.chem.hydrogen, *PLACE)] = -1.0
    assert audits.columns()["negative_amounts[1]"] == 0.0


def test_current_that_does_not_come_back_is_found(audited):
    """A tenth of the anodes' current lost: 0.1 over the mean of both."""
    sim, audits = audited
    into = sim.potential.into_ore
    into[into > 0] *= 0.9
    assert audits.columns()["current_balance[1]"] == pytest.approx(0.2 / 1.9, rel=1e-6)


@pytest.mark.parametrize("name", ["c", "charge"])
def test_what_is_not_a_number_is_told_with_its_voxel(audited, name):
    """Ions or charge that are none, at the end of a step, with or without chemistry."""
    sim, _ = audited
    getattr(sim.state, name)[(..., *PLACE)] = np.nan
    with pytest.raises(AuditError, match=r"not a number .* voxel \(2, 1, 1\)"):
        sim.balances.after()


def test_a_run_that_fails_an_audit_ends_with_its_state(folder, tmp_path, monkeypatch):
    """Exit code 3 at the first row; its row, a snapshot of that time, the place in the log."""
    monkeypatch.setattr(retries, "ROUNDS", 0)
    monkeypatch.setitem(LIMITS, "charge", LIMITS["charge"]._replace(warning=0.0, stop=1e-30))
    with pytest.raises(AuditError, match="charge .* voxel") as caught:
        simulation(folder, 'schedule.stage.0.duration="2 h"').run(tmp_path / "out", quiet=True)
    assert caught.value.exit_code == 3
    with (tmp_path / "out" / "series.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time[h]"]) for row in rows] == [0.0, 1.0]
    assert float(rows[1]["current_balance[1]"]) < 1e-9
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert status["state"] == "failed" and "charge" in status["reason"]
    assert "error of charge" in (tmp_path / "out" / "log.txt").read_text()


def test_power_of_the_supply_is_the_heat_of_the_ore_and_its_contacts(audited):
    """1e-9 is far above the solver's residual; most of the heat is that of the contacts' 18 ohm."""
    sim, _ = audited
    power, heat, scale = powers(sim)
    into, resistance = sim.potential.into_ore, sim.contacts.faces.resistance
    assert power == pytest.approx(heat, rel=1e-9) and scale >= power > 5.0
    assert 0.5 * power < (resistance * into * into).sum() < 0.9 * power
    series = sim.boundary_values.terminal_voltage * into[into > 0].sum()
    assert series == pytest.approx(power + sim.electrodes.overpotential * into[into > 0].sum(),
                                   rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [
    (PULSE.format(20, 10),), ("schedule.order=2",), ("chemistry.temperature=288 K",),
    ("schedule.stage.0.floating=['middle']", "schedule.stage.0.voltage=60 V"), ORE])
def test_energy_closes_with_pulses_floating_metal_and_two_stages(folder, overrides):
    """Means of pulses, half the overpotential at each end of floating metal, mean rates."""
    sim = advance(simulation(folder, *overrides), 1200.0)
    power, heat, scale = powers(sim)
    assert abs(power - heat) < 1e-9 * scale and power > 1.0


def test_power_that_no_heat_answers_for_stops_the_run(audited):
    """A conductance of the ore ten per cent larger than that which was solved with."""
    sim, audits = audited
    sim.potential.conductance *= 1.1
    assert audits.columns()["energy_error[1]"] > 0.01
    with pytest.raises(AuditError, match="error of energy"):
        audits.check()


def test_many_iterations_warn_with_their_place_and_then_stop(audited, monkeypatch):
    """Limits of none: what the step took is above the first, then above the second."""
    sim, audits = audited
    audits.columns()
    for name in ("potential", "chemistry"):
        monkeypatch.setitem(ITERATIONS, name, ITERATIONS[name]._replace(warning=0))
    lines = audits.check()
    assert [line.startswith("warning: ") for line in lines] == [False, True, True]
    assert "iterations (potential)" in lines[1] and "largest residual is in voxel (" in lines[1]
    assert "iterations (chemistry)" in lines[2] and "hardest voxel so far is at (0." in lines[2]
    monkeypatch.setitem(ITERATIONS, "potential", ITERATIONS["potential"]._replace(stop=0))
    with pytest.raises(AuditError, match=r"iterations \(potential\) .* voxel \("):
        audits.check()


def test_rounding_of_the_acidity_of_neutral_water_is_no_error(folder):
    """Without a drive and acid H+ and OH- cancel to 1e-17 mol: nothing beside 5 mol of salt."""
    sim = simulation(folder, "schedule.stage.0.voltage=0 V", "physics.flow=false",
                     'well.0.composition={"Na+"="2 mmol/l", "SO4-2"="1 mmol/l"}')
    h = sim.chem.hydrogen
    assert sim.balances.scale[h] < 1e-16
    sim.state.totals[(h, *PLACE)] += 1e-17 / sim.grid.voxel_volume
    advance(sim, 1200.0)
    assert 0.0 < sim.balances.mass_errors()[h] < 1e-10 and sim.balances.mass_errors().max() < 1e-10
    audits = Audits(sim)
    audits.columns()
    assert len(audits.check()) == 1


def test_a_block_at_rest_has_no_error_of_energy(tmp_path):
    """No current passes anything: rounding over rounding would be told as an error."""
    case = Case.read(copy(tmp_path), ("electrodes.row=[]", "side=[]", "well=[]",
                                      "schedule.stage=[{name='rest', duration='9 s'}]"))
    sim = Simulation(case, "numpy")
    sim.step()
    assert energy_error(sim) is None
