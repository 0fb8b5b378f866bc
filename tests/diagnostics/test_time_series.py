"""Reported quantities: equations (1) to (5) of the paper, on a block small enough to do by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.salt_block import ORE, PULSE, advance, salt_case, simulation
from helpers.salt_medium import row

from ekm3d.backends.choose import choose_backend
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.schedule import Drive
from ekm3d.diagnostics.balances import Balances
from ekm3d.diagnostics.summary import summary as summarise
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain

# Components without complexes; two can be on clay, one has a mineral. kg/mol are round numbers.
CHEM = SimpleNamespace(
    components=("H+", "NH4+", "LREE+3", "HREE+3", "Al+3"),
    labels=("H", "NH4", "LREE", "HREE", "Al"), groups=("", "", "REE", "REE", "impurity"),
    molar_mass=np.array([0.001, 0.018, 0.140, 0.110, 0.027]), hydrogen=0,
    charge=np.array([1.0, 1.0, 3.0, 3.0, 3.0]), nu=np.eye(5),
    nu_x=np.array([[0.0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]),
    nu_m=np.array([[-3.0, 0, 1, 0, 0]]), gases=())
PLAIN = choose_backend("numpy")
OFF = Drive(0, (), (), 0.0, 0.0, 10.0)


def block():
    """Three voxels of 0.5 m3, the first an electrode: 1 m3 of ore of 1000 kg/m3, 0.4 of water.

    At the start both ore voxels hold 5 NH4, 1 LREE, 2 HREE, 0.5 Al [mol per m3 of water] and, on
    clay, 8 NH4, 3 LREE [mol per m3 of ore]; the tank holds 0.25 mol of NH4.
    """
    grid = Grid((3, 1, 1), (0.5, 1.0, 1.0))
    electrodes = Electrodes(grid, (row("c", ((0, 0, 0), (0.5, 1, 1))),), 0.0)
    padded = grid.padded
    s = SimpleNamespace(
        time=7200.0,
        step=4,
        processes=(),
        c=np.zeros((5, *padded)),
        exchanged=np.zeros((2, *padded)),
        solid=np.zeros((1, *padded)),
        pH=np.zeros(padded),
        catholyte_totals=np.zeros((5, 1)),
        plate_totals=np.zeros((5, 1)),
        electrode_acid=np.zeros(1),
        leachate=np.zeros(5),
        drained=np.zeros(5),
        injected=np.zeros(5),
        catholyte_pH=np.array([11.0]),
        leachate_volume=0.0,
        injected_volume=0.0,
        drained_volume=0.0,
        kinetic_minerals=np.zeros((1, *padded)),
        slow_sites=np.zeros((2, *padded)),
        immobile_water=np.zeros((5, *padded)),
        immobile_solid=np.zeros((1, *padded)),
        immobile_exchanged=np.zeros((2, *padded)),
        mix=PLAIN.weighted_sum,
    )
    theta = np.zeros(padded)
    theta[grid.inner] = 0.4 * electrodes.ore
    ore = np.where(electrodes.ore, 1.0, 0.0)
    for array, values in ((s.c, (0, 5, 1, 2, 0.5)), (s.exchanged, (8, 3))):
        for k, value in enumerate(values):
            array[k][grid.inner] = value * ore
    s.pH[grid.inner] = [5.0, 4.0, 9.0]
    s.catholyte_totals[1, 0] = 0.25
    audit = SimpleNamespace(mass_errors=lambda: np.array([1e-15, 3e-15]), charge_max=2e-12,
                            faraday_error=lambda: 4e-11, water_max=5e-11,
                            budget=SimpleNamespace(ways=(), fed=np.zeros(5), lost=np.zeros(5)))
    audit.columns = lambda: Balances.columns(audit)
    case = SimpleNamespace(title="by hand", wells=(), openings=(),
                           schedule=SimpleNamespace(stages=()), readings=(),
                           ore=SimpleNamespace(density=np.full((1, 1, 3), 1e3)),
                           sampling=(SimpleNamespace(position=(0.75, 0.5, 0.5)),),
                           probes=(SimpleNamespace(name="p", position=(1.25, 0.5, 0.5)),))
    return SimpleNamespace(
        grid=grid,
        chem=CHEM,
        state=s,
        electrodes=electrodes,
        case=case,
        dt=60.0,
        domain=Domain(grid),
        ore=case.ore,
        holds_ore=electrodes.ore,
        backend=PLAIN,
        rock=SimpleNamespace(water_content=theta),
        flow=SimpleNamespace(wells=[]),
        catholytes=SimpleNamespace(treatment=None),
        drive=OFF,
        balances=audit,
        boundary_values=SimpleNamespace(
            row_currents=lambda: np.array([-1.0]),
            terminal_voltage=0.0,
            strip_currents=lambda: np.zeros(electrodes.strips),
            side_power=0.0, side_currents=dict, supplies={},
        ),
    )


@pytest.fixture
def washed():
    """A monitor of that block after things have happened to it.

    Voxel 1 (where the sample is taken) keeps half its dissolved and a third of its exchanged
    LREE; voxel 2 has 0.5 mol/m3 of LREE as hydroxide in place of 0.5 on clay. 0.1 mol LREE,
    0.2 mol HREE, 0.3 mol Al and 1 mol NH4 are in the leachate, 0.05 mol LREE and 0.4 mol Al on the
    plate. 0.5 mol NH4 and 0.05 mol Al were fed, 0.125 mol NH4 drained.
    """
    sim = block()
    monitor = TimeSeries(sim)
    s, inner = sim.state, sim.grid.inner
    s.c[2][inner][0, 0, 1] *= 0.5
    s.exchanged[1][inner][0, 0, 1] = 1.0
    s.exchanged[1][inner][0, 0, 2] -= 0.5
    s.solid[0][inner][0, 0, 2] = 0.5
    s.leachate[:] = 0.0, 1.0, 0.1, 0.2, 0.3
    s.plate_totals[2, 0], s.plate_totals[4, 0] = 0.05, 0.4
    s.catholyte_totals[1, 0] = 0.75
    sim.balances.budget.fed[1] = 0.5
    sim.balances.budget.fed[4] = 0.05
    sim.balances.budget.lost[1] = 0.125
    s.leachate_volume, s.injected_volume, s.drained_volume = 0.03, 0.04, 0.002
    return monitor


# mg/kg of 1000 kg: 1 mol of LREE is 140. At the start 1 x 0.4 + 3 = 3.4 mol LREE, 0.8 mol HREE.
LREE0, HREE0 = 3.4 * 140.0, 0.8 * 110.0


def test_amounts_per_kg_of_dry_ore(washed):
    """(1), (2): what was collected over the mass of ore; electrodes do not count as ore."""
    assert washed.mass == 1000.0 and washed.volume == 1.0
    summary = summarise(washed, 12.5)
    assert summary["ore_kg"] == 1000.0 and summary["ore_m3"] == 1.0 and summary["cells"] == 3
    assert summary["REE_leachate_mg_per_kg"] == pytest.approx(0.1 * 140 + 0.2 * 110)
    assert summary["REE_plate_mg_per_kg"] == pytest.approx(0.05 * 140)
    assert summary["REE_initial_mg_per_kg"] == pytest.approx(LREE0 + HREE0)
    assert summary["REE_hydroxide_in_ore_mg_per_kg"] == pytest.approx(0.25 * 140)
    assert summary["impurity_mg_per_kg"] == pytest.approx(0.3 * 27)


def test_recovery_is_leachate_and_plate_over_the_ore_s_content(washed):
    """(3), by mass for REE as a whole and by element; what was fed counts: 0.2 + 0.05 mol of Al."""
    summary = summarise(washed, 1.0)
    assert summary["recovery_REE"] == pytest.approx((0.15 * 140 + 0.2 * 110) / (LREE0 + HREE0))
    assert summary["recovery_LREE"] == pytest.approx(0.15 / 3.4)
    assert summary["recovery_HREE"] == pytest.approx(0.2 / 0.8)
    assert "recovery_H" not in summary
    row = washed.row()
    assert row["recovery_REE[1]"] == pytest.approx(summary["recovery_REE"])
    assert row["recovery_Al[1]"] == pytest.approx(0.7 / 0.25)
    assert row["recovery_NH4[1]"] == pytest.approx(1.0 / (10.0 + 0.25 + 0.5))


def test_purity_of_both_products_and_of_each(washed):
    """REE over REE and Al: 36 and 8.1 mg/kg in the leachate, 7 and 10.8 on the plate."""
    summary = summarise(washed, 1.0)
    assert summary["impurity_plate_mg_per_kg"] == pytest.approx(0.4 * 27)
    assert summary["purity_REE"] == pytest.approx(43.0 / (43.0 + 8.1 + 10.8))
    assert summary["purity_REE_leachate"] == pytest.approx(36.0 / (36.0 + 8.1))
    assert summary["purity_REE_plate"] == pytest.approx(7.0 / (7.0 + 10.8))
    assert washed.row()["impurities_on_plate[mg/kg]"] == pytest.approx(10.8)


def test_what_is_undefined_is_not_zero():
    """At the start nothing is recovered: no purity, no energy per kg of it; a share of nothing."""
    summary = summarise(TimeSeries(block()), 1.0)
    for key in ("purity_REE", "purity_REE_leachate", "purity_REE_plate", "energy_kWh_per_kg_REE",
                "current_start_A", "current_end_A"):
        assert summary[key] is None, key
    assert summary["recovery_REE"] == summary["impurity_mg_per_kg"] == 0.0


def test_energy_is_not_told_per_rounding(washed):
    """36 and 25 mg/kg of the REE give an energy per kg; 1e-10 of that would give 1e10 times it.

    The ledger may err by 1e-9 of a component before an audit warns.
    """
    washed.energy = 3.6e6
    kg = (0.15 * 140 + 0.2 * 110) * 1e-3
    assert summarise(washed, 1.0)["energy_kWh_per_kg_REE"] == pytest.approx(1 / kg)
    for amounts in washed.collected():
        amounts *= 1e-10
    washed.run.state.plate_totals[...] *= 1e-10
    summary = summarise(washed, 1.0)
    assert 0.0 < summary["recovery_REE"] < 1e-9 and summary["energy_kWh_per_kg_REE"] is None


def test_a_system_without_ree_impurities_or_ammonium_says_so():
    """The same block with components that belong to no group, no H+ and an inert one."""
    sim = block()
    sim.chem = SimpleNamespace(**vars(CHEM) | {
        "groups": ("",) * 5, "labels": ("A", "B", "C", "D", "E"), "hydrogen": None})
    sim.state.c[4] = 0.0
    monitor = TimeSeries(sim)
    summary, row = summarise(monitor, 1.0), monitor.row()
    for key in ("REE_initial_mg_per_kg", "REE_leachate_mg_per_kg", "recovery_REE", "recovery_E",
                "removal_REE_mean", "removal_REE_min", "removal_points_above_90_percent",
                "impurity_mg_per_kg", "purity_REE", "charge_over_REE", "nh4_added_mol",
                "nh4_out_mol", "residual_N_mg_per_kg", "exchangeable_N_mg_per_kg", "pH_min"):
        assert summary[key] is None, key
    for key in ("recovery_REE[1]", "removal_REE[1]", "removal_E[1]", "recovery_E[1]",
                "REE_in_leachate[mg/kg]", "NH4_added[mol]", "NH4_on_clay[mol]", "pH_p[1]",
                "pH_catholyte_c[1]"):
        assert row[key] is None, key
    assert summary["recovery_B"] == row["recovery_B[1]"] == 0.0


def test_points_without_ree_have_no_removal():
    """Two sampling points, one of them barren from the start: the mean is that of the other."""
    sim = block()
    sim.case.sampling = tuple(SimpleNamespace(position=(x, 0.5, 0.5)) for x in (0.75, 1.25))
    sim.state.c[2:4, 2, 2, 4] = sim.state.exchanged[1, 2, 2, 4] = 0.0
    monitor = TimeSeries(sim)
    sim.state.c[2:4, 2, 2, 3] *= 0.5
    sim.state.exchanged[1, 2, 2, 3] *= 0.5
    summary = summarise(monitor, 1.0)
    for key in ("mean", "min", "max"):
        assert summary[f"removal_REE_{key}"] == pytest.approx(0.5)


def test_a_probe_inside_an_electrode_has_no_pH():
    sim = block()
    sim.case.probes = (SimpleNamespace(name="p", position=(0.25, 0.5, 0.5)),)
    assert TimeSeries(sim).row()["pH_p[1]"] is None


def test_removal_is_what_the_samples_have_lost_of_ion_exchangeable_ree(washed):
    """(4): (C0 - C)/C0 at the point, in voxel 1: LREE 0.2 + 1 of 0.4 + 3, HREE 0.8 as before.

    The series has the block as a whole: half of voxel 1's loss, and half of voxel 2's 0.5 mol/m3,
    which is hydroxide now and no longer ion-exchangeable.
    """
    summary = summarise(washed, 1.0)
    expected = 2.2 * 140 / (LREE0 + HREE0)
    for key in ("mean", "min", "max"):
        assert summary[f"removal_REE_{key}"] == pytest.approx(expected)
    assert summary["removal_points_above_90_percent"] == 0
    whole = 0.5 * (2.2 + 0.5) * 140 / (LREE0 + HREE0)
    assert washed.row()["removal_REE[1]"] == pytest.approx(whole)
    assert washed.row()["removal_LREE[1]"] == pytest.approx(0.5 * 2.7 / 3.4)
    assert washed.row()["removal_HREE[1]"] == pytest.approx(0.0, abs=1e-14)


def test_without_sampling_points_all_ore_is_sampled():
    """Mean, lowest and highest of the ore voxels; the electrode's voxel is none."""
    sim = block()
    sim.case.sampling = ()
    monitor = TimeSeries(sim)
    sim.state.c[2:4, 2, 2, 3] = 0.0
    sim.state.exchanged[1, 2, 2, 3] = 0.0
    summary = summarise(monitor, 1.0)
    assert summary["removal_REE_mean"] == pytest.approx(0.5)
    assert (summary["removal_REE_min"], summary["removal_REE_max"]) == pytest.approx((0.0, 1.0))
    assert summary["removal_points_above_90_percent"] == 1


def test_the_ammonium_budget(washed):
    """In the ore at the start 0.4 x 5 + 8 = 10 mol, 0.5 fed; out: leachate, drain, tank's gain.

    N in mg per kg of dry ore at the sample: 2 mol/m3 of pore water, 8 on clay, x 14.007 g/mol
    over 1000 kg/m3.
    """
    row, summary = washed.row(), summarise(washed, 1.0)
    assert row["NH4_added[mol]"] == summary["nh4_added_mol"] == pytest.approx(10.5)
    assert row["NH4_in_pore_water[mol]"] == pytest.approx(2.0)
    assert row["NH4_on_clay[mol]"] == pytest.approx(8.0)
    assert row["NH4_out[mol]"] == pytest.approx(1.0 + 0.125 + 0.5)
    assert summary["residual_N_mg_per_kg"] == pytest.approx(2.0 * 14.007)
    assert summary["exchangeable_N_mg_per_kg"] == pytest.approx(8.0 * 14.007)


def test_charge_and_energy_are_those_at_the_terminals():
    """(5): sum of V I dt, charge the sum of I dt. Averaged pulses: I is the mean, V while on.

    30 V, 2 A mean at a duty of 2/3 (3 A while on) for 100 s, off for 50 s, then 24 V, 1 A, 10 s.
    """
    sim = block()
    monitor = TimeSeries(sim)
    on, end = Drive(0, ("a",), ("c",), 30.0, 2 / 3, 1.0), Drive(1, ("a",), ("c",), 24.0, 1.0, 1.0)
    for drive, amperes, dt in ((on, 2.0, 0.0), (on, 2.0, 100.0), (OFF, 0.0, 50.0),
                               (end, 1.0, 10.0)):
        sim.drive, sim.boundary_values.row_currents = drive, lambda a=amperes: np.array([a, -a])
        monitor.record(dt)
    assert monitor.charge == pytest.approx(210.0) and monitor.energy == pytest.approx(6240.0)
    summary = summarise(monitor, 1.0)
    assert summary["charge_C"] == pytest.approx(210.0)
    assert summary["energy_kWh"] == pytest.approx(6240.0 / 3.6e6)
    assert summary["energy_kWh_per_m3"] == pytest.approx(6240.0 / 3.6e6)
    assert summary["current_start_A"] == pytest.approx(3.0)
    assert summary["current_stage1_end_A"] == pytest.approx(3.0)
    assert summary["current_stage2_start_A"] == summary["current_end_A"] == pytest.approx(1.0)
    assert summary["charge_over_REE"] == pytest.approx(210.0 / 96485.33212 / (3 * 4.2))


def test_a_row_of_the_series(washed):
    """Every name has its unit in brackets; numbers are those of the state and the audit."""
    row = washed.row()
    assert all(name.endswith("]") and "[" in name for name in row)
    assert (row["time[h]"], row["step[1]"], row["dt[s]"], row["voltage[V]"]) == (2.0, 4, 60.0, 0.0)
    assert (row["leachate[L]"], row["water_fed[L]"], row["water_lost[L]"]) == (30.0, 40.0, 2.0)
    assert (row["pH_p[1]"], row["pH_catholyte_c[1]"]) == (9.0, 11.0)
    assert row["current_c[A]"] == 0.0
    assert (row["mass_balance[1]"], row["charge_balance[1]"]) == (3e-15, 2e-12)
    assert (row["faraday_error[1]"], row["water_balance[1]"]) == (4e-11, 5e-11)
    summary = summarise(washed, 12.5)
    assert (summary["pH_min"], summary["pH_max"], summary["wall_s"]) == (4.0, 9.0, 12.5)


# --- of a running simulation ------------------------------------------------------------------

def test_budgets_of_a_run_close(tmp_path):
    """2 h of averaged pulses on ore, against sums taken here at every step.

    NH4 added = pore water + clay + out: 1e-12, nothing holds it as a solid. Energy and charge
    from the currents at the faces; every element's recovery and removal differ by what is in
    tanks, hydroxides and drains only, so recovery <= removal for K, which has neither.
    """
    sim = simulation(salt_case(tmp_path), *ORE, PULSE.format(20, 10))
    monitor, sums = TimeSeries(sim), np.zeros(2)

    def watch(dt):
        monitor.record(dt)
        current = np.maximum(sim.potential.into_ore, 0.0).sum()
        sums[:] += current * dt, 20.0 * current * dt

    advance(sim, 7200.0, watch)
    row, summary = monitor.row(), summarise(monitor, 1.0)
    parts = sum(row[f"NH4_{part}[mol]"] for part in ("in_pore_water", "on_clay", "out"))
    assert parts == pytest.approx(row["NH4_added[mol]"], rel=1e-12)
    assert row["charge[C]"] == pytest.approx(sums[0], rel=1e-12)
    assert row["energy[kWh]"] == pytest.approx(sums[1] / 3.6e6, rel=1e-12)
    assert row["current_left[A]"] == pytest.approx(
        1.5 * sim.boundary_values.row_currents()[0], rel=1e-12
    )
    assert row["current_left[A]"] == pytest.approx(-row["current_right[A]"], rel=1e-9)
    assert 0.0 < row["recovery_K[1]"] <= row["removal_K[1]"] < 1.0
    assert summary["leachate_L"] == pytest.approx(1e3 * 2e-8 * 7200.0, rel=1e-8)
    assert summary["water_fed_L"] == pytest.approx(1e3 * 2e-8 * 7200.0, rel=1e-12)
    assert summary["steps"] == sim.state.step and summary["time_h"] == pytest.approx(2.0)
