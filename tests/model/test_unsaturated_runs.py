"""Runs of unsaturated ore: the same bits in pieces and on many processes; balances close."""

import csv

import numpy as np
import pytest
from helpers.quick_flags import quick_backend
from helpers.rain_block import rain_case
from helpers.rank_comparison import assert_same_steps
from helpers.runs_in_pieces import assert_equal_results, in_pieces
from helpers.wet_column import wet_column

from ekm3d import Case, Simulation, open_results
from ekm3d.diagnostics.summary_words import table
from ekm3d.errors import ConvergenceError
from ekm3d.output import progress
from ekm3d.physics.porosity_feedback import EPSILON_ETA

SHORT = ("schedule.stage.0.duration=20 min", "schedule.stage.1.duration=20 min",
         "output.series_every=10 min", "output.snapshot_every=20 min")
# Backends of long runs: kernels are compared with their NumPy twins elsewhere.
QUICKLY = ["cpp", pytest.param("numpy", marks=pytest.mark.slow)]


@pytest.mark.parametrize("backend", QUICKLY, indirect=True)
def test_a_run_in_pieces_has_the_bits_of_a_whole_one(tmp_path, backend):
    """Head, water content and sub-steps go on as they were."""
    case = Case.read(rain_case(tmp_path), SHORT)
    Simulation(case, backend).run(tmp_path / "whole", quiet=True)
    assert in_pieces(case, backend, tmp_path / "pieces") >= 3
    assert_equal_results(tmp_path / "whole", tmp_path / "pieces")


@pytest.mark.slow
def test_pieces_of_second_order_with_a_medium_have_the_same_bits(tmp_path):
    """The water of the second stage, and K and k_e that follow the salt and the pH, go on."""
    case = Case.read(rain_case(tmp_path), (
        *SHORT, "schedule.order=2", "ore.electroosmotic_permeability=0", "physics.medium={ "
        "salt = { 'NH4+' = [['0 mol/l', 1], ['0.1 mol/l', 0.5]] }, "
        "zeta = [[3, '0 mV'], [9, '-40 mV']] }"))
    Simulation(case, "cpp").run(tmp_path / "whole", quiet=True)
    assert in_pieces(case, "cpp", tmp_path / "pieces") >= 3
    assert_equal_results(tmp_path / "whole", tmp_path / "pieces")


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_every_array_of_every_step_is_the_same_on_many_processes(tmp_path, count):
    """Openings on every border, two rocks, immobile water: every number, not nearly.

    By default with kernels at -Og, among others, in test_ranks.
    """
    assert_same_steps(count, ("cpp", 4, rain_case(tmp_path), *SHORT))


def test_water_and_components_that_come_and_go_are_in_the_books(tmp_path):
    """ore + tanks = what was there + in - out for every component, and for the water, to rounding.

    Rain that runs off is offered and never in the block: in + run-off is the rate times the area.
    """
    sim = Simulation(Case.read(rain_case(tmp_path)), quick_backend())
    sim.run(tmp_path / "out", quiet=True)
    with open(tmp_path / "out" / "series.csv", newline="") as file:
        first, *_, last = [{k: float(v or 0) for k, v in row.items()}
                           for row in csv.DictReader(file)]
    for label in ("NH4", "SO4", "La", "Na"):
        came = sum((1 if "_in_" in name else -1) * value for name, value in last.items()
                   if name.endswith(f"_{label}[mol]") and name.startswith(("well", "boundary"))
                   and "runoff" not in name)
        held = sum(row[f"{store}_{label}[mol]"] * sign for store in ("ore", "tanks")
                   for row, sign in ((last, 1), (first, -1)))
        held += sum(v for k, v in last.items() if k.startswith("plate_row")
                    and k.endswith(f"_{label}[mol]"))
        assert abs(held - came) <= 1e-9 * max(abs(came), last[f"ore_{label}[mol]"])
    assert sim.balances.water_max < 1e-13
    offered = 0.35 * 0.3 * (0.04 / 3600 * 3600 + 0.005 / 3600 * 2400) * 1e3
    taken = last["boundary_rain_in_water[L]"] + last["boundary_rain_runoff_water[L]"]
    assert abs(taken - offered) < 1e-9 * offered
    assert last["boundary_rain_runoff_water[L]"] > 0.0
    salt = last["boundary_rain_runoff_NH4[mol]"]
    assert np.isclose(salt, 1e-1 * last["boundary_rain_runoff_water[L]"])


def test_a_uniform_solute_stays_uniform_while_the_water_moves(tmp_path, backend):
    """A voxel gains as much water as its species see: c stays, to some roundings.

    Rain and pore water alike, no electrodes' drive; 1e-13 of 1 mol/m3 after 20 steps.
    """
    ions = "{ 'Na+' = '1 mol/m3', 'Cl-' = '1 mol/m3' }"
    sim = Simulation(Case.read(rain_case(tmp_path), (
        *SHORT, f"water.composition={ions}", f"boundary.0.composition={ions}", "boundary.2.rate=0",
        f"boundary.1.composition={ions}", "ore.exchangeable={}", "chemistry.minerals=[]",
        "schedule.stage.1.voltage=0 V", "schedule.stage.1.boundary=[]", "physics.potential=false")),
        backend)
    for _ in range(4):
        sim.step()
    water = sim.state.water_content[sim.grid.inner]
    assert np.ptp(water[sim.holds_ore]) > 0.05
    for n, name in enumerate(sim.chem.components):
        if name in ("Na+", "Cl-"):
            total = sim.state.weighted_sum(sim.chem.nu[:, n], sim.state.c[sim.grid.inner])
            assert np.abs(total[sim.holds_ore] - 1.0).max() < 1e-12


COARSE = """
title = "rain on a coarse column"
[physics]
potential = false
chemistry = false
[grid]
size = ["0.25 m", "0.25 m", "2 m"]
spacing = "25 cm"
[ore]
porosity = 0.45
tortuosity = 0.67
permeability = "3.5e-7 m/s"
water_content = 0.21
retention = { alpha = "2 1/m", n = 1.4, residual = 0.08, saturated = 0.45 }
[chemistry.inline]
activity = { model = "ideal", water_activity = 0.0 }
mobility = { model = "sqrt", coefficient = 0.0 }
component = [
  { name = "Na+", charge = 1, molar_mass = 22.99, diffusion = 1.0e-9, source = "a test" },
  { name = "Cl-", charge = -1, molar_mass = 35.45, diffusion = 1.0e-9, source = "a test" },
]
[[boundary]]
name = "rain"
kind = "rain"
face = "z+"
rate = "30 mm/day"
ponding = "2 cm"
[schedule]
max_step = "1 h"
[[schedule.stage]]
name = "rain"
duration = "600 h"
"""


@pytest.mark.parametrize("backend", QUICKLY, indirect=True)
@pytest.mark.parametrize("air_entry", [
    "0 m", pytest.param("2 cm", marks=pytest.mark.slow)])
def test_rain_fills_a_coarse_closed_column_step_by_step(tmp_path, backend, air_entry):
    """Full voxels above dry ones, K with an infinite slope at full pores, then a full block.

    Picard's iteration on the head found no solution here. No sub-steps are needed, two or three
    iterations a step; 0.48 m of the rain fit in, the rest runs off.
    """
    (tmp_path / "case.toml").write_text(COARSE)
    sim = Simulation(Case.read(tmp_path, (f"ore.retention.air_entry={air_entry}",)), backend)
    for _ in sim.steps():
        assert (sim.flow.substeps, sim.flow.cuts) == (1, 0)
    inner = sim.grid.inner
    assert np.allclose(sim.state.water_content[inner], 0.45, rtol=0, atol=1e-6)
    budget = sim.balances.budget
    taken, runoff = float(budget.water_in[0] - budget.water_out[0]), float(budget.runoff[0])
    assert abs(taken - 0.48 * 0.25**2) < 1e-5 * 0.03
    assert abs(taken + float(budget.water_out[0]) + runoff - 0.75 * 0.25**2) < 1e-12
    assert sim.balances.water_max < 1e-12


def test_a_step_begins_where_the_last_one_was_going(tmp_path):
    """Rain on a coarse column, 60 h: with the trend of the head 69 iterations do, without 75.

    The answer is the same to the residual that a sub-step may leave, 1e-5 of the water content.
    """
    (tmp_path / "case.toml").write_text(COARSE)
    found = []
    for keeps in (True, False):
        sim = Simulation(Case.read(tmp_path), quick_backend())
        tried = 0
        for _ in sim.steps(60 * 3600.0):
            tried += sim.flow.tried
            sim.state.head_trend[...] *= keeps
        found.append((tried, sim.state.water_content[sim.grid.inner].copy()))
    (few, water), (many, other) = found
    assert few < many
    assert np.abs(water - other).max() < 1e-5


def test_electro_osmosis_dries_the_ore_behind_anodes_down_to_what_stays(tmp_path):
    """20 V over 0.8 m for ten days: found no solution after 83 h, when the mean of both voxels' k_e
    went on to draw from the dry one. The water is where the field took it, all of it.
    """
    case = Case.read(wet_column(tmp_path), (
        "schedule.stage.0.duration=240 h", "ore.retention.osmosis=saturation",
        "ore.retention.tolerance=1e-3"))
    sim = Simulation(case, quick_backend())
    inner, substeps = sim.grid.inner, 0
    before = sim.state.water_content[inner].sum()
    for _ in sim.steps():
        substeps += sim.flow.substeps
    after = sim.state.water_content[inner].ravel()
    assert np.isclose(after.sum(), before, rtol=1e-10) and sim.balances.water_max < 1e-10
    assert 0.06 < after[1] < 0.09 and after[6] > 0.449 and substeps < 800
    assert sim.state.water_substeps == substeps


def test_constant_electro_osmosis_behind_an_anode_ends_in_a_clear_message(tmp_path):
    """The same row, from which the field draws more than there is after 15 h: in seconds, not by
    steps of 0.03 s for ever, with the place, the key and its values that end with the water."""
    case = Case.read(wet_column(tmp_path), (
        "schedule.stage.0.duration=240 h", "ore.retention.tolerance=1e-3"))
    with pytest.raises(ConvergenceError) as told:
        Simulation(case, quick_backend()).run(tmp_path / "out", quiet=True)
    text = str(told.value)
    assert told.value.exit_code == 3 and "the voxel at (0.15, 0.05, 0.05) m" in text
    assert 'ore.retention.osmosis = "saturation" or "conductivity"' in text
    times = open_results(tmp_path / "out").series["time"]
    assert 14.0 < times[-1] < 16.0


def test_a_run_tells_how_many_sub_steps_its_water_took(tmp_path, monkeypatch, capsys):
    """On the way, in the summary and in the log: the sum over its steps. Full pores have none."""
    monkeypatch.setattr(progress, "EVERY", -1.0)
    sim = Simulation(Case.read(rain_case(tmp_path), ("schedule.stage.0.duration=20 min",
                                                     "schedule.stage.1.duration=20 min")),
                     quick_backend())
    taken, step = [], sim.step
    monkeypatch.setattr(sim, "step", lambda until: (step(until), taken.append(
        sim.flow.substeps))[0])
    results = sim.run(tmp_path / "out")
    assert results.summary["water_substeps"] == sum(taken) > results.summary["steps"]
    assert f"water in {sum(taken)} sub-steps" in capsys.readouterr().out.splitlines()[-1]
    assert f"6 steps, its water in {sum(taken)} sub-steps, " in table(results.summary)
    assert ["water_substeps", str(sum(taken))] in [
        line.split() for line in (tmp_path / "out" / "log.txt").read_text().splitlines()]
    full = Simulation(Case.read(rain_case(tmp_path), (
        "physics.unsaturated=false", "boundary=[]", "schedule.stage.0.boundary=[]",
        "schedule.stage.1.boundary=[]", "schedule.stage.0.duration=1 min",
        "schedule.stage.1.duration=1 min")), quick_backend())
    assert "water_substeps" not in full.run(tmp_path / "full", quiet=True).summary


def test_permeability_by_salt_and_zeta_scale_what_full_pores_have(tmp_path):
    """Laws that are constant give the run whose K and k_e have the factor: 0.5 K, and of 20 mV.

    k_e = epsilon/eta 0.02 V x 0.41 x 0.67 with the moving water of full pores, 0.45 less 0.04 that
    stays; openings conduct with the new K as well. To rounding, over some twenty steps.
    """
    folder, found = rain_case(tmp_path), []
    full = EPSILON_ETA * 0.02 * 0.41 * 0.67
    for laws in (("physics.medium={ salt = { 'Na+' = [['0 mol/l', 0.5]] }, "
                  "zeta = [[7.0, '-20 mV']] }", "ore.electroosmotic_permeability=0"),
                 ("ore.permeability=1.75e-6 m/s", f"ore.electroosmotic_permeability={full} m2/V/s"),
                 ()):
        sim = Simulation(Case.read(folder, (*SHORT, *laws)), quick_backend())
        for _ in sim.steps():
            pass
        found.append((sim.state.water_content.copy(), sim.state.totals.copy(),
                      sim.balances.budget.water_out.copy()))
    for one, other, without in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9 * np.abs(other).max())
        assert np.abs(without - other).max() > 1e-3 * np.abs(other).max()
