"""Steps of second order in time: their order, what they keep, and when they give way."""

from itertools import pairwise

import numpy as np
import pytest
from helpers.quick_flags import quick_backend
from helpers.rain_block import rain_case
from helpers.salt_block import ORE, SALT, advance, salt_case, simulation
from helpers.wet_column import wet_column

from ekm3d import Case, Simulation

SECOND = "schedule.order=2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("corrector"))


def test_the_ore_depends_on_the_step_to_second_order(folder):
    """600, 300 and 150 s over 2 h: each change is a quarter of the one before (measured 4.0).

    Catholytes, whose reactions and drains stay first order within a step, are left out. With
    face concentrations chosen by the potential of the stage before it would be 2.7.
    """
    none = [f"electrodes.{place}catholyte_volume=0 l" for place in ("", "row.1.")]
    ends = [advance(simulation(folder, SECOND, f"schedule.max_step={dt}", *none), 7200.0)
            for dt in (600, 300, 150)]
    assert [sim.state.step for sim in ends] == [12, 24, 48]
    totals = [sim.state.totals[sim.grid.inner] for sim in ends]
    for k in range(3):
        coarse, fine = (np.abs(a[k] - b[k]).max() for a, b in pairwise(totals))
        assert 3.7 < coarse / fine < 4.3, ends[0].chem.components[k]


@pytest.mark.parametrize("system", [SALT, ORE], ids=["salt", "ore"])
def test_nothing_is_lost_between_the_stages(folder, system):
    """Mass of every component, charge and Faraday's law: as exact as with one stage.

    Everything that the first stage moved (tanks, plates, leachate, feeds) is taken back before the
    mean rates are applied; a term forgotten shows as mass from nowhere.
    """
    sim = advance(simulation(folder, SECOND, *system), 3 * 3600.0)
    assert sim.heun.refused == 0
    assert sim.balances.mass_errors().max() < 1e-12
    assert sim.balances.charge_max < 1e-8
    assert sim.balances.faraday_error() < 1e-8


def test_the_stages_use_the_same_drive(folder):
    """A step that ends at a switch: the second stage still sees the drive of its start.

    Over one resolved pulse of 10 min on, 10 min off, the charge passed is that of the ten
    minutes, as with one stage to 1 %: the other stage's drive would halve it.
    """
    pulse = ("schedule.stage.0.pulse={on='10 min', off='10 min'}", "schedule.pulses=resolved")
    passed = []
    for order in ((), (SECOND,)):
        sim = advance(simulation(folder, *pulse, *order, "schedule.max_step=10 min"), 1200.0)
        passed.append(sim.state.electrode_acid.copy())
    np.testing.assert_allclose(passed[1], passed[0], rtol=1e-2)
    assert np.abs(passed[0]).max() > 0


def test_a_step_too_long_for_its_end_stays_explicit(folder, monkeypatch):
    """The first stage stands, and is counted, where the second could empty a voxel."""
    both = simulation(folder, SECOND)
    prepare, calls = both.transport.prepare, []

    def short(*arguments):
        calls.append(prepare(*arguments))
        return calls[-1] if len(calls) == 1 else 1.0

    monkeypatch.setattr(both.transport, "prepare", short)
    start = both.state.totals.copy()
    assert both.step(60.0) == 60.0 and both.heun.refused == 1 and len(calls) == 2
    again = simulation(folder, SECOND)
    again.heun.correct = lambda dt: None
    again.step(60.0)
    np.testing.assert_array_equal(both.state.totals, again.state.totals)
    assert np.abs(both.state.totals - start).max() > 0


def test_water_that_the_field_moves_is_of_second_order_too(tmp_path):
    """600, 300 and 150 s over 1 h: ion by ion and for the water a quarter (3.5 to 4.3).

    With the flows of the first stage alone all would halve (measured 2.0).
    """
    wet_column(tmp_path)
    ends = []
    for dt in (600, 300, 150):
        sim = Simulation(Case.read(tmp_path, [SECOND, f"schedule.max_step={dt}"]), "numpy")
        for _ in sim.steps():
            pass
        assert sim.heun.refused == 0
        inner = sim.grid.inner
        ends.append([*sim.state.totals[inner], sim.state.water_content[inner]])
    assert np.ptp(ends[0][-1][0, 0, 1:-1]) > 0.01
    for values in zip(*ends, strict=True):
        coarse, fine = (np.abs(a - b).max() for a, b in pairwise(values))
        assert 3.4 < coarse / fine < 4.4


def test_nothing_is_lost_where_water_comes_and_goes(tmp_path):
    """Rain, run-off, a leak, electro-osmosis, minerals and immobile water in two stages.

    The water that is booked is the mean of both stages, as are its salts: one taken from the other
    stage would be some 1e-5 of the water.
    """
    sim = Simulation(Case.read(rain_case(tmp_path), (
        SECOND, "schedule.stage.0.duration=20 min", "schedule.stage.1.duration=20 min")),
        quick_backend())
    for _ in sim.steps():
        pass
    assert sim.heun.refused == 0
    assert sim.balances.mass_errors().max() < 1e-12
    assert sim.balances.water_max < 1e-13
    assert sim.balances.charge_max < 1e-8
    assert sim.balances.faraday_error() < 1e-8
