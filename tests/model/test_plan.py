"""Figures of a plan from its first step: by hand, their warnings, and bounds that hold."""

import numpy as np
import pytest
from helpers.case_files import ROOT, copy
from helpers.command_line import SHORT, call
from helpers.rain_block import rain_case

from ekm3d.case.case import Case
from ekm3d.constants import FARADAY
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.errors import ConvergenceError
from ekm3d.model.plan import Plan, drive_later, lines, plan_of, warnings
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path

SALT = ROOT / "tests" / "data" / "case_salt"
CURRENT = "schedule.stage=[{{name='d', duration='6 h', anodes=['left'], cathodes=['right'], {}}}]"


@pytest.fixture
def case(tmp_path):
    return copy(tmp_path, SALT)


def planned(case, *overrides):
    """The simulation after its first step, and its plan."""
    sim = Simulation(Case.read(case, overrides), "numpy")
    sim.step()
    return sim, plan_of(sim)


def test_figures_of_the_salt_block_by_hand(case):
    """72 voxels of 3 l, of which 4 + 3 + 1 are metal; 20 V of which 2.5 V stay at the electrodes.

    rho c = 1500 x 840 + 0.42 x 4.18e6 J/m3/K; 2e-8 m3/s on 64 x 3 l x 0.45 of pores for 6 h.
    """
    sim, plan = planned(case)
    volume = (72 - sim.electrodes.solid.sum()) * 0.003
    current = sim.boundary_values.row_currents().max()
    assert (plan.voltage, plan.current) == (20.0, pytest.approx(current))
    assert plan.heat == pytest.approx(17.5 * current / volume)
    assert plan.warming == pytest.approx(plan.heat * 86400 / (1.26e6 + 0.42 * 4.18e6))
    assert plan.pore_volumes == {"drive": pytest.approx(2e-8 * 21600 / (0.45 * volume))}
    assert plan.charge == pytest.approx(current * 21600) and plan.bounds == {}
    faces = sim.contacts.faces
    own = faces.strip < 3
    assert plan.density == pytest.approx(
        np.abs(sim.potential.into_ore[own] / faces.area[own]).max())


def test_current_is_that_of_the_first_stage_with_power(case):
    """After 10 min of rest, in which next to nothing moves, the current is that of the start.

    Within 1 %, and so is the charge of the 6 h after it; the text says which stage it is.
    """
    now = planned(case)[1]
    sim, later = planned(case, "schedule.stage=[{name='rest', duration='10 min'}, "
                         "{name='drive', duration='6 h', anodes=['left'], cathodes=['right'], "
                         "voltage='20 V'}]", "schedule.max_step=10 min", "well=[]")
    assert later.voltage is None and not any(row[4] for row in later.electrodes)
    drive_later(sim, later)
    assert later.voltage == 20.0 and later.current == pytest.approx(now.current, rel=0.01)
    assert later.charge == pytest.approx(now.charge, rel=0.01)
    assert any(row[4] for row in later.electrodes)
    assert "the current is that of stage 'drive'" in "\n".join(lines(later))
    assert "stage" not in lines(now)[1]


def test_a_stage_that_closes_a_well_or_changes_its_rate_is_planned_so(case):
    """Half of the rate for the same 6 h, then nothing: half of 2e-8 m3/s, and 0."""
    whole = planned(case)[1].pore_volumes["drive"]
    half = planned(case, "schedule.stage.0.well=[{name='feed', rate='1e-8 m3/s'}]")[1]
    none = planned(case, "schedule.stage.0.well=[{name='feed', off=true}]")[1]
    assert half.pore_volumes["drive"] == pytest.approx(whole / 2)
    assert none.pore_volumes == {"drive": 0.0}


def test_the_water_of_a_stage_that_is_repeated_counts_every_time(case):
    whole = planned(case)[1].pore_volumes["drive"]
    thrice = planned(case, "schedule.stage.0.repeat=3")[1]
    assert thrice.pore_volumes == {"drive": pytest.approx(3 * whole)}


def test_rain_is_planned_by_its_area_and_brings_its_ammonium(tmp_path):
    """4 cm/h on 0.35 x 0.3 m2 for 1 h, then 0.5 cm/h of pure water for 40 min; nothing else enters.

    0.1 mol/l in the first: 0.42 eq, over those of the rare earths.
    """
    dry = ("boundary.1.head=-90 m", "schedule.stage.0.boundary=[{name='sun', off=true}]",
           *(f"schedule.stage.1.{key}" for key in ("anodes=[]", "cathodes=[]", "voltage=0 V")))
    sim, plan = planned(rain_case(tmp_path), *dry)
    pores = float((sim.case.ore.porosity * sim.electrodes.ore).sum()) * 1e-3
    assert plan.pore_volumes == {
        "wetting": pytest.approx(0.04 * 0.105 / pores),
        "current": pytest.approx(0.005 * 0.105 * 2 / 3 / pores)}
    pure = planned(tmp_path, *dry, "boundary.0.composition={}")[1]
    ree = sum((sim.case.ore.exchangeable[name] * sim.electrodes.ore).sum() * 3e-3
              for name in ("La+3",))
    assert plan.bounds["exchange"] - pure.bounds["exchange"] == pytest.approx(0.42 / ree, rel=1e-3)
    held = 0.2 * pores / 0.45       # eq of Cl- at 1 mmol/l in water that may all drain
    assert pure.bounds["water"] == pytest.approx(held / ree, rel=0.01)


def test_duty_scales_charge_and_heat_but_not_the_current_while_on(case):
    """Half of the time: half of the heat at about the same current."""
    full, half = (planned(case, *more)[1] for more in (
        [], ["schedule.stage.0.pulse={on='10 min', off='10 min'}"]))
    assert half.current == pytest.approx(full.current, rel=0.02)
    assert half.heat / full.heat == pytest.approx(0.5, rel=0.02)
    assert half.charge / full.charge == pytest.approx(0.5, rel=0.02)


def test_a_current_without_a_limit_is_told_what_it_needs(capsys, case):
    """50 A through the block of salt: `check` and `run` say how many kV, and keep to a limit."""
    words = ["-o", CURRENT.format("current='50 A'"), "-o", "schedule.least_step=0"]
    code, text, errors = call(capsys, "check", case, *words, "--backend", "numpy")
    assert code == 0 and "50 A need" in errors and "kV here (" in errors and "limit =" in errors
    assert "heats the ore by" in errors and "50 A, " in text
    words[1] = words[1].replace("6 h", "10 s")
    code, _, errors = call(capsys, "run", case, *words, "--backend", "numpy")
    assert code == 0 and "50 A need" in errors
    assert "50 A need" in (case / "out" / "log.txt").read_text()
    limited = CURRENT.format("current='50 A', limit='20 V'")
    code, text, errors = call(capsys, "check", case, "-o", limited, "--backend", "numpy")
    assert code == 0 and errors == "" and "20 V, " in text


def test_a_plausible_plan_is_not_warned_of(capsys, case):
    code, text, errors = call(capsys, "check", case, *SHORT)
    assert code == 0 and errors == "" and "of computing" in text


def test_the_metal_and_the_faces_of_its_voxels_are_told_apart(tmp_path):
    """Strips of 10 cm, half of their 5 mm in the block, from 1 m up to its top, in voxels of
    10 x 20 x 50 cm, side by side; a plate of 80 cm x 2 m, 10 cm thick, at the other side. By hand.
    """
    _, plan = planned(copy(tmp_path))
    areas = {row[0]: row[2:4] for row in plan.electrodes}
    strip = 0.1 * 2.0 + 2 * 2.0 * 0.0025 + 0.1 * 0.0025
    voxels = 4 * 0.2 * 0.5 + 4 * 0.1 * 0.5 + 0.1 * 0.2
    for name, wanted in (("left.1", (strip, voxels)), ("left.2", (strip, voxels)),
                         ("right.1", (0.8 * 2.0 + 0.1 * 0.8,) * 2)):
        assert [float(a) for a in areas[name]] == pytest.approx(wanted, rel=1e-3)
    text = "\n".join(lines(plan))
    assert "metal m2  faces m2" in text and "faces: of its voxels to ore" in text


@pytest.mark.parametrize("plan, words", [
    (Plan(voltage=2000.0, current=3.0), "3 A need 2 kV here (6 kW)"),
    (Plan(voltage=20.0, current=3.0, density=900.0), "900 A/m2 at the electrodes"),
    (Plan(voltage=20.0, current=3.0, warming=30.0), "30 K per day"),
    (Plan(pore_volumes={"a": 500.0}, days=2.0), "500 pore volumes of water in 2 days")])
def test_each_range_has_its_warning(plan, words):
    (line,) = warnings(plan)
    assert words in line and "limit =" not in line


def test_the_bounds_of_the_field_block_by_hand_and_by_its_run():
    """Migration: charge over F, per equivalents of REE on the clay of the voxels that hold ore.

    25 cm voxels, 6 h of either stage; the first step has moved 2e-4 of them. The recovery of the
    run to its end stays below the bound.
    """
    overrides = ["grid.spacing=25 cm", "schedule.stage.0.duration=6 h",
                 "schedule.stage.1.duration=6 h"]
    sim, plan = planned(case_path("field_saturated"), *overrides)
    held = sum((sim.case.ore.exchangeable[name] * sim.electrodes.ore).sum() * z
               for name, z, group in zip(sim.chem.components, sim.chem.charge, sim.chem.groups,
                                         strict=True) if group == "REE") * sim.grid.voxel_volume
    assert plan.bounds["migration"] == pytest.approx(plan.charge / FARADAY / held, rel=1e-3)
    assert plan.most == plan.bounds["migration"] + plan.bounds["water"] < 1
    series = TimeSeries(sim)
    while sim.state.time < sim.schedule.end * (1 - 1e-9):
        sim.step()
    assert 0 < series.share(sum(series.collected()), series.initial) < plan.most


def test_a_step_that_shrinks_ends_the_run_with_its_cause(case):
    """2 A through fresh water empty a voxel within seconds: the voxel, the species, the key."""
    fresh = [CURRENT.format("current='2 A'"), 'water.composition={"Na+"="0.1 mmol/l", '
             '"SO4-2"="0.05 mmol/l"}', "electrodes.catholyte_volume=0",
             "electrodes.row.1.catholyte_volume=0"]
    sim = Simulation(Case.read(case, [*fresh, "schedule.least_step=1e-3"]), "numpy")
    with pytest.raises(ConvergenceError) as caught:
        while sim.state.time < 21600:
            sim.step()
    text = str(caught.value)
    assert "in the voxel at (" in text and "leaves by migration in the field" in text
    assert "stage 'd' would need" in text and "schedule.least_step" in text
    place = [float(x) for x in text.partition("voxel at (")[2].partition(")")[0].split(", ")]
    index = sim.grid.voxel_at(place)
    rate = sim.transport.rate[sim.grid.inner]
    assert sim.electrodes.ore[index] and rate[index] == rate.max()
    allowed = Simulation(Case.read(case, [*fresh, "schedule.least_step=0"]), "numpy")
    assert allowed.step() > 0.0
