"""Wells that stages change, stages that repeat, and what `ekm3d check` says of the head needed."""

import numpy as np
import pytest
from helpers.salt_block import advance, salt_case, simulation

from ekm3d.cli.check import estimate
from ekm3d.diagnostics.time_series import TimeSeries

DRIVE = "anodes=['left'], cathodes=['right'], voltage='5 V'"
CYCLES = (f"schedule.stage=[{{name='salt', duration='20 min', {DRIVE}}}, "
          f"{{name='water', duration='10 min', {DRIVE}, repeat=3, repeat_from='salt', "
          "well=[{name='feed', rate='4e-8 m3/s', composition={}}]}, {name='rest', "
          "duration='10 min', well=[{name='feed', off=true}, {name='leachate', off=true}]}]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("salt"))


def test_salt_then_water_three_times_then_nothing(folder):
    """20 min of 2 mol/m3 of Na at 2e-8 m3/s, 10 min of water at twice the rate; then closed.

    Fed: 3 x (2e-8 x 1200 + 4e-8 x 600) m3 of water, 2 mol/m3 of Na in the first part of each only.
    """
    sim = simulation(folder, CYCLES)
    assert sim.schedule.end == 6000.0
    rates = []
    advance(sim, 6000.0, lambda dt: rates.append(
        (sim.drive.stage, sum(inflow[inflow > 0].sum() for _, inflow in sim.flow.wells))))
    assert {stage for stage, _ in rates} == set(range(7))
    for stage, rate in rates:
        expected = 0.0 if stage == 6 else (2e-8, 4e-8)[stage % 2]
        assert rate == pytest.approx(expected, rel=1e-12, abs=1e-30)
    budget, na = sim.balances.budget, sim.chem.index("Na+")
    assert budget.water_in[0] == pytest.approx(3 * (2e-8 * 1200 + 4e-8 * 600), rel=1e-12)
    assert budget.moved_in[0, na] == pytest.approx(3 * 2e-8 * 1200 * 2.0, rel=1e-12)
    assert sim.balances.mass_errors().max() < 1e-12
    assert sim.balances.faraday_error() < 1e-9


def test_check_tells_of_a_head_that_the_ground_does_not_have(folder):
    """The block is 0.8 m high: 2e-8 m3/s need less, a thousand times as much does not.

    With max_head = 50 cm less than the rate enters, and the series says the head.
    """
    assert "overflow" not in estimate(simulation(folder, "well.0.rate='2e-9 m3/s'"))[0]
    told, _ = estimate(simulation(folder, "well.0.rate='2e-5 m3/s'", "schedule.max_step='1 s'"))
    assert "head of 'feed': " in told and "an open well would overflow" in told
    assert "to the top of the block there are 0.8 m" in told
    limited = simulation(folder, "well.0.rate='2e-5 m3/s'", "well.0.max_head='50 cm'",
                         "schedule.max_step='1 s'")
    assert "overflow" not in estimate(limited)[0]
    series = TimeSeries(limited)
    assert series.row()["well_feed_head[m]"] == pytest.approx(0.5, rel=1e-9)
    assert 0.0 < limited.balances.budget.water_in[0] < 0.5 * 2e-5 * limited.dt
    np.testing.assert_allclose(limited.state.injected_volume, limited.balances.budget.water_in[0])
