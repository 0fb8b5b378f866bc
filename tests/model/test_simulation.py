"""The whole model on 72 voxels: start, pulses, pauses, the step, and what stops a run.

The block is tests/data/case_salt. What every step must keep is in test_balances.py.
"""

from itertools import pairwise

import numpy as np
import pytest
from helpers.salt_block import ORE, PULSE, advance, salt_case, simulation, through_wall

from ekm3d.chemistry.equilibrium import ChemistryError
from ekm3d.grid.grid import GHOST


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("salt"))


def test_the_start_is_the_case_s_inventory(folder):
    """By hand: Na 100 mol/m3 x 0.42 per m3 of ore, SO4 half of it, no net acid, no charge.

    The tanks hold the same water; electrodes hold nothing.
    """
    sim = simulation(folder)
    s, ore = sim.state, sim.electrodes.ore
    h, na, so4 = (sim.chem.index(name) for name in ("H+", "Na+", "SO4-2"))
    np.testing.assert_allclose(s.totals[na][sim.grid.inner][ore], 42.0, rtol=1e-13)
    np.testing.assert_allclose(s.totals[so4][sim.grid.inner][ore], 21.0, rtol=1e-13)
    assert np.abs(s.totals[h]).max() < 1e-12
    assert not s.totals[sim.grid.inner][:, ~ore].any()
    np.testing.assert_allclose(s.catholyte_totals[na], 100.0 * np.array([2e-3, 2e-3, 1e-3, 2e-3]))
    ammonium = simulation(folder, *ORE)
    nh4 = ammonium.chem.index("NH4+")
    np.testing.assert_allclose(ammonium.state.totals[nh4][ammonium.grid.inner][ore], 0.0225 * 1500)


# --- pulses -----------------------------------------------------------------------------------

def test_averaged_pulses_stand_for_resolved_ones(folder):
    """90 min of on/off 2:1, 4/2 and 20/10 min, in steps of at most 2 min.

    Measured: charge 0.014 and 0.011 %; acid 0.11 and 0.15 % (root mean square over the voxels,
    of its own), salt 0.001 %. It falls with the period, not to zero: while the power is on, c* at
    faces is blended for 1.5 times the mean drift, and the diffusion potential (mV against the
    17.5 V) drives no current in the pauses. Hence 0.05 % of the charge and 0.2 % of the acid.
    """
    charge, acid = {}, {}
    for pulse in ((4, 2), (20, 10)):
        ends = []
        for mode in ("averaged", "resolved"):
            sim = simulation(folder, PULSE.format(*pulse), f"schedule.pulses={mode}",
                             "schedule.max_step=120")
            passed = 0.0
            while sim.state.time < 5400.0 * (1 - 1e-9):
                passed += sim.step(5400.0) * sim.boundary_values.row_currents()[0]
            ends.append((passed, sim.state.totals[sim.grid.inner]))
        charge[pulse] = abs(ends[0][0] / ends[1][0] - 1)
        difference, size = ends[0][1] - ends[1][1], ends[1][1]
        acid[pulse], salt = np.sqrt((difference**2).mean((1, 2, 3)) / (size**2).mean((1, 2, 3))
                                    )[[0, 1]]
        assert salt < 5e-5
    assert max(charge.values()) < 5e-4 and max(acid.values()) < 2e-3
    assert acid[4, 2] < 0.85 * acid[20, 10]


def test_resolved_pulses_rest_between_the_switches(folder):
    """20 min on, 10 min off: every step lies in one of them, currents 0 in the pauses."""
    sim = simulation(folder, PULSE.format(20, 10), "schedule.pulses=resolved")
    found = []
    advance(sim, 3600.0, lambda dt: found.append(
        (sim.state.time, sim.boundary_values.row_currents()[0])))
    for end, current in found:
        on = (end - 1.0) % 1800.0 < 1200.0
        assert (current > 0.5) if on else (current == 0.0)
    assert {1200.0, 1800.0, 3000.0, 3600.0} <= {round(t, 6) for t, _ in found}


# --- no current -------------------------------------------------------------------------------

def test_in_a_pause_the_diffusion_potential_stays_and_carries_no_current(folder):
    """Acid and base fronts diffuse, H+ and OH- faster than the rest: phi must hold them back.

    After 20 min of current the ore's phi segments 0.1 to 10 mV; across the section between the
    rows the species carry no net charge (1e-9 of what each of them carries), and tanks rest.
    """
    sim = advance(simulation(folder, PULSE.format(20, 10), "schedule.pulses=resolved"), 1200.0)
    tanks = sim.state.catholyte_totals.copy()
    sim.step()
    assert not sim.drive.on and not sim.potential.into_ore.any()
    phi = sim.state.phi[sim.grid.inner][sim.electrodes.ore]
    assert 1e-4 < np.ptp(phi) < 1e-2
    carried = sim.chem.charge * through_wall(sim, 3, sim.transport.flux[2])
    assert np.abs(carried).max() > 0 and abs(carried.sum()) < 1e-9 * np.abs(carried).sum()
    # The cathode's tank drains on.
    assert (sim.state.catholyte_totals[:, [0, 1, 3]] == tanks[:, [0, 1, 3]]).all()


def test_an_idle_row_is_insulated(folder):
    """The middle electrode stands in the field: no current, no acid, nothing enters its tank."""
    sim = simulation(folder)
    before = sim.state.catholyte_totals.copy()
    middle = sim.electrodes.strip_row[sim.electrodes.faces.strip] == 2
    advance(sim, 3600.0)
    assert not sim.potential.into_ore[middle].any() and sim.state.electrode_acid[3] == 0.0
    assert (sim.state.catholyte_totals[:, 3] == before[:, 3]).all()
    x_faces = sim.potential.conductance[2][sim.grid.inner][0, 0, 2:4]
    assert not x_faces.any()                           # nor through the metal itself


@pytest.mark.parametrize("volts, flows", [(0.0, False), (2.4, False), (2.6, True)])
def test_below_the_overpotential_nothing_flows(folder, volts, flows):
    """2.5 V are needed before the first coulomb passes; less never drives a current backwards."""
    sim = simulation(folder, f"schedule.stage.0.voltage={volts}")
    sim.step()
    assert (sim.boundary_values.row_currents()[0] > 1e-3) == flows
    assert sim.potential.into_ore.any() == flows and np.abs(sim.state.electrode_acid).any() == flows


def test_below_the_overpotential_the_diffusion_potential_is_not_shorted(folder):
    """2.4 V after 20 min at 20 V: fronts and their mV are there, but no face passes a current."""
    rows = "anodes=['left'], cathodes=['right']"
    sim = simulation(folder, f"schedule.stage=[{{name='a', duration=1200, voltage=20, {rows}}}, "
                     f"{{name='b', duration=1200, voltage=2.4, {rows}}}]")
    advance(sim, 1200.0)
    sim.step()
    assert sim.drive.voltage == 2.4 and not sim.potential.into_ore.any()
    assert np.ptp(sim.state.phi[sim.grid.inner][sim.electrodes.ore]) > 1e-4


# --- the step ---------------------------------------------------------------------------------

def test_the_result_depends_on_the_step_to_first_order(folder):
    """600, 300 and 150 s over 2 h: the change halves each time (measured 2.0 for acid and salt).

    The limits of the step lie above 600 s here, so that max_step alone decides. 2.0 +- 0.2.
    """
    ends = [advance(simulation(folder, f"schedule.max_step={dt}"), 7200.0)
            for dt in (600, 300, 150)]
    assert [sim.state.step for sim in ends] == [12, 24, 48]
    totals = [sim.state.totals[sim.grid.inner] for sim in ends]
    for k in range(3):
        coarse, fine = (np.abs(a[k] - b[k]).max() for a, b in pairwise(totals))
        assert 1.8 < coarse / fine < 2.2, ends[0].chem.components[k]


def test_the_step_obeys_the_voltage_and_the_cfl(folder):
    """Drift (H+ at the strips) rules: ten times V - V_ov, a tenth of the step, to 5 %.

    Half the cfl: half the step, exactly. max_step is the upper limit.
    """
    def first(*overrides):
        sim = simulation(folder, "schedule.max_step=100 h", "schedule.stage.0.duration=100 h",
                         *overrides)
        return sim.step()

    usual = first()
    assert first("schedule.cfl=0.45") == pytest.approx(0.5 * usual, rel=1e-9)
    high, higher = first("schedule.stage.0.voltage=200"), first("schedule.stage.0.voltage=1997.5")
    assert high < 0.15 * usual
    assert higher == pytest.approx(high * 197.5 / 1995.0, rel=0.05)
    assert first("schedule.max_step=10") == pytest.approx(10.0)


def test_the_longest_step_keeps_everything_positive(folder):
    """60 V and only the program's own limit on dt: no species, no total below zero, mass kept."""
    sim = simulation(folder, "schedule.max_step=100 h", "schedule.stage.0.voltage=60")
    lowest = []
    advance(sim, 6 * 3600.0, lambda dt: lowest.append(
        min(sim.state.c[sim.grid.inner].min(), sim.state.totals[sim.grid.inner][1:].min(),
            sim.state.catholyte_totals[1:].min())))
    assert min(lowest) >= 0.0 and sim.balances.mass_errors().max() < 1e-12


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_water_that_spreads_net_charge_does_not_make_it_grow(folder, order):
    """Dispersion at the longest step: residuals of the solver do not grow (12-fold in 12 steps).

    20 l/h and 50 cm of dispersivity exchange more than 1.4 of a voxel's water in a step, of which
    2 are stable, and only where the potential leaves the rest of the charge to the water.
    """
    sim = simulation(folder, 'ore.dispersivity="50 cm"', 'well.0.rate="20 l/h"',
                     f"schedule.order={order}")
    for _ in range(4):
        dt = sim.step()
    first = sim.balances.charge_max
    for _ in range(12):
        dt = sim.step()
    assert 1.4 < dt * sim.transport.stirring.exchanged < 1.9
    assert sim.electrolyte.imbalance(sim.state) < 2.0 * first < 1e-12


def test_a_step_ends_at_the_mark_that_it_is_given(folder):
    """step(until) stops there exactly, and in halves rather than in a whole and a sliver."""
    sim = simulation(folder)
    assert sim.step(until=900.0) == 450.0 and sim.step(until=900.0) == 450.0
    assert sim.state.time == 900.0 and sim.state.step == 2


# --- what is not a number ---------------------------------------------------------------------

@pytest.mark.parametrize("name", ["totals", "c", "phi", "head", "catholyte_totals",
                                  "catholyte_species"])
def test_what_is_not_a_number_stops_the_run(folder, name):
    """In a total, a species, phi, head or a tank: it reaches some total within the step."""
    sim = advance(simulation(folder), 600.0)
    place = (GHOST + 1, GHOST + 1, GHOST + 2) if name in ("totals", "c", "phi", "head") else (2,)
    where = {"catholyte_totals": (1, 2), "catholyte_species": (1, 2)}.get(name, (..., *place))
    getattr(sim.state, name)[where] = np.nan
    with pytest.raises(RuntimeError, match="nan|not a number"):
        sim.step()


def test_a_total_that_is_wrong_is_told_with_its_place(folder):
    """Voxel i, j, k = 2, 1, 1 of 10 x 15 x 20 cm; a tank is told to be one."""
    sim = advance(simulation(folder), 600.0)
    sim.state.totals[1, GHOST + 1, GHOST + 1, GHOST + 2] = -1e4
    with pytest.raises(ChemistryError, match=r"at \(0.250, 0.225, 0.300\) m"):
        sim.step()
    sim = advance(simulation(folder), 600.0)
    sim.state.catholyte_totals[1, 2] = -1e4
    with pytest.raises(ChemistryError, match="catholyte.* 2"):
        sim.step()


def test_without_a_potential_nothing_drives(folder):
    """physics.potential = false with a driven stage: no voltage, no current, no energy; water and
    what it carries go on."""
    sim = simulation(folder, "physics.potential=false")
    advance(sim, 1800.0)
    assert sim.boundary_values.terminal_voltage == 0.0 and not sim.drive.on
    assert not sim.state.electrode_acid.any() and sim.state.leachate_volume > 0
