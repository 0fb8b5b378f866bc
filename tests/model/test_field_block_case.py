"""The field block from dry ore, shortened: wetting, both stages, open sides, and its wet twin."""

import tomllib

import numpy as np
import pytest

from ekm3d import Case, Simulation
from ekm3d.case.problems import CaseError
from ekm3d.constants import HOUR
from ekm3d.diagnostics.summary import summary
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.resources import case_path

SHORT = ("grid.spacing=25 cm", "schedule.stage.0.duration=48 h", "schedule.stage.1.duration=6 h",
         "schedule.stage.2.duration=6 h")


def run(*overrides):
    """(simulation at its end, summary) of the shortened case."""
    sim = Simulation(Case.read(case_path("field_block"), [*SHORT, *overrides]), "cpp")
    monitor = TimeSeries(sim)
    while sim.state.time < sim.schedule.end * (1 - 1e-9):
        monitor.record(sim.step())
    return sim, summary(monitor, 0.0)


VARIANTS = {v["name"]: v.get("set", {}) for v in tomllib.loads(
    (case_path("field_block") / "variants.toml").read_text())["variant"]}


def openings(name):
    """Overrides of a variant that opens sides."""
    pairs = VARIANTS[name]["boundary"]
    return "boundary=[" + ", ".join("{" + ", ".join(f'{k}="{v}"' for k, v in b.items()) + "}"
                                    for b in pairs) + "]"


@pytest.mark.parametrize("name", ["closed", "foot and sides open"])
def test_dry_ore_is_wetted_and_then_driven(name):
    """Water: 14 % by mass (0.21) and 30 mm a day for two days on the 2.4 m2 beside electrodes.

    Budgets close whether sides are open or not; without current there is none in the wetting.
    """
    sim, found = run(*([openings(name)] if name != "closed" else []))
    start = Case.read(case_path("field_block"), SHORT).ore.water_content
    ore, volume = sim.electrodes.ore, sim.grid.voxel_volume
    dx, dy, _ = sim.grid.spacing
    assert start == pytest.approx(0.21)
    assert found["boundary_surface_in_water_L"] == pytest.approx(
        60.0 * ore[-1].sum() * dx * dy, rel=1e-9)
    into, out = (sum(value for key, value in found.items() if key.endswith(f"_{way}_water_L"))
                 for way in ("in", "out"))
    held = (sim.rock.water_content[sim.grid.inner] - start)[ore].sum() * volume
    assert 1e3 * held == pytest.approx(into - out, rel=1e-9)
    assert (found["boundary_foot_out_water_L"] > 0.0) if name != "closed" else \
        not any("foot" in key for key in found)
    assert "current_stage1_start_A" not in found and found["current_stage2_start_A"] > 0.1
    assert found["mass_balance_max"] < 1e-12 and found["charge_balance_max"] < 1e-9
    assert found["faraday_error"] < 1e-9 and found["water_balance_max"] < 1e-10


def test_the_wetting_leaves_a_front():
    """Ammonium enters from above: rare earths leave the top and gather below it, none is lost."""
    sim = Simulation(Case.read(case_path("field_block"), [
        "grid.spacing=25 cm", "schedule.stage.0.duration=6 days"]), "cpp")
    rare = [n for n, group in enumerate(sim.chem.groups) if group == "REE"]

    def layers():
        held = sim.state.totals[rare][(slice(None), *sim.grid.inner)].sum(0)
        return (held * sim.electrodes.ore).sum((1, 2))

    before = layers()
    while sim.state.time < 144 * HOUR * (1 - 1e-9):
        sim.step(144 * HOUR)
    after = layers()
    assert after.sum() == pytest.approx(before.sum(), rel=1e-12)
    gain = after / before - 1
    assert gain[-1] < -0.1 and gain.max() > 0.02 and int(gain.argmax()) < len(gain) - 1


def test_without_retention_it_is_the_saturated_case_with_a_rain_that_is_refused():
    """`physics.unsaturated = false` leaves the curves aside; the rain has then no place."""
    with pytest.raises(CaseError, match="boundary.0: is one of ground that may be unsaturated, "
                                        "and physics.unsaturated is off"):
        Case.read(case_path("field_block"), ["physics.unsaturated=false"])
    two = ('boundary=[{ name = "rain", kind = "rain", face = "z+", rate = "1 mm/day" }, '
           '{ name = "foot", kind = "drainage", face = "z-" }]')
    with pytest.raises(CaseError, match=r"(?s)boundary.0: is one .*boundary.1: is one") as told:
        Case.read(case_path("field_block"), [
            "physics.unsaturated=false", two, "schedule.stage.0.boundary=[]"])
    assert len(told.value.lines) == 2
    off = Case.read(case_path("field_block"), [
        "physics.unsaturated=false", "boundary=[]", "schedule.stage.0.boundary=[]"])
    assert off.ore.retention is None and "unsaturated water" not in off.processes
    wet = Case.read(case_path("field_saturated"))
    assert wet.ore.retention is None
    np.testing.assert_array_equal(wet.ore.exchangeable["LREE+3"], off.ore.exchangeable["LREE+3"])
