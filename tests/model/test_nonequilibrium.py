"""Slow parts and the medium in a running block: balances, limits and what a flow does about it."""

import numpy as np
import pytest
from helpers.case_files import ROOT
from helpers.quick_flags import quick_backend
from helpers.salt_block import ORE, advance, salt_case, simulation
from helpers.slow_options import LIME, MEDIUM, NO_OSMOSIS, SLOW, STILL, ZETA

from ekm3d import Case, Simulation
from ekm3d.diagnostics.derived_fields import dynamic_fields, parts, snapshot, static_fields
from ekm3d.state import FIELDS, component, minerals

FRONT = ROOT / "cases" / "verification" / "acid_front"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("salt"))


def inner(sim, array):
    return array[sim.grid.inner][..., sim.electrodes.ore]


@pytest.mark.parametrize("more", [SLOW, (LIME, STILL), (*SLOW, STILL, MEDIUM),
                                  (*SLOW, STILL, "schedule.order=2"), (NO_OSMOSIS, ZETA)],
                         ids=["slow", "immobile", "all", "all, order 2", "zeta"])
def test_every_mole_and_every_charge_is_found(folder, more):
    """40 min at 20 V with exchanger, minerals and slow parts: the run's audits, to rounding.

    Nothing that the slow parts do may lose a mole, free a charge or make acid; steps are as long
    as the program likes.
    """
    sim = advance(simulation(folder, *ORE, *more), 2400.0)
    assert sim.state.electrode_acid.any() and sim.state.step > 3
    assert sim.balances.mass_errors().max() < 1e-13
    assert sim.balances.charge_max < 1e-9
    assert sim.balances.faraday_error() < 1e-9
    strength = 0.5e-3 * np.tensordot(sim.chem.z**2, sim.state.c, 1)
    expected = sim.rock.water_content * sim.rock.tortuosity * sim.chem.mobility(strength)
    np.testing.assert_allclose(inner(sim, sim.state.transport_factor), inner(sim, expected),
                               rtol=1e-12)


def test_what_has_a_law_forms_by_it_alone():
    """Lye with 5 mol/m3 of La, nearly all of it hydroxide in equilibrium; at 1e-9 1/s it is not.

    2 mol of La per m3 of rock: after 600 s in a closed block 6e-7 of what would form has formed,
    by its law; none beside it, in equilibrium with the water.
    """
    closed = ('water.composition={"Na+"="40 mol/m3", "La+3"="5 mol/m3", "Cl-"="10 mol/m3", '
              '"H+"="-45 mol/m3"}',
              "ore.minerals={}", "side=[]", "grid.spacing=[0.1, 1, 1]")
    slow = 'chemistry.kinetics=[{mineral="La(OH)3", rate="1e-9 1/s"}]'
    free, bound = (Simulation(Case.read(FRONT, (*closed, *more)), quick_backend())
                   for more in ((), (slow,)))
    formed = inner(free, free.state.solid)[0]
    assert (formed > 1.99).all()
    advance(bound, 600.0)
    assert not bound.state.solid.any()
    np.testing.assert_allclose(inner(bound, bound.state.kinetic_minerals)[0], 6e-7 * formed,
                               rtol=1e-6)


def test_the_stores_hold_what_they_say(folder):
    """Half an hour on: phases add up to the totals, component by component, but for the protons.

    Protons are counted in totals as charge of the clay; all others as mol in water, on clay and
    in minerals. Tolerance: the equilibrium's 1e-12, of the parts.
    """
    sim = advance(simulation(folder, *ORE, *SLOW, STILL), 1800.0)
    assert inner(sim, sim.state.kinetic_minerals).any() and inner(sim, sim.state.slow_sites).any()
    total = np.stack([component(sim.state, sim.chem, k)[sim.grid.inner]
                      for k in range(len(sim.chem.components))])
    for k, name in enumerate(sim.chem.components):
        if name != "H+":
            np.testing.assert_allclose(sum(parts(sim, k)), total[k], rtol=1e-9, atol=1e-12)


def test_at_the_start_slow_sites_and_immobile_water_change_nothing(folder):
    """All waters and sites are alike then: the same pH, water and clay as without them (1e-9)."""
    plain, parted = (simulation(folder, *ORE, LIME, *more) for more in (
        (), (STILL, 'chemistry.kinetics=[{sites=0.4, rate="1e-5 1/s"}]')))
    np.testing.assert_allclose(inner(parted, parted.state.pH), inner(plain, plain.state.pH))
    for name in ("Na_dissolved", "LREE_exchanged", "Ca_solid", "conductivity"):
        a, b = (dict(snapshot(sim))[name][sim.electrodes.ore] for sim in (parted, plain))
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_a_fast_rate_is_the_equilibrium(folder):
    """Calcite at 1e3 1/s ends like calcite in equilibrium, but for the splitting of a step.

    Both start in equilibrium: the same pH within 0.02 and the same CaCO3 within 0.2 % of what
    there is, after half an hour at 20 V.
    """
    fast = 'chemistry.kinetics=[{mineral="CaCO3", rate="1e3 1/s"}]'
    ends = []
    for more in ((), (fast,)):
        sim = advance(simulation(folder, *ORE, LIME, *more), 1800.0)
        m = sim.chem.minerals.index("CaCO3")
        ends.append((inner(sim, sim.state.pH), inner(sim, minerals(sim.state))[m]))
    assert ends[0][1].max() > 10 and ends[0][1].min() < 29.99
    np.testing.assert_allclose(ends[1][0], ends[0][0], atol=0.02)
    np.testing.assert_allclose(ends[1][1], ends[0][1], atol=0.06)


def test_acid_washes_past_a_slow_hydroxide():
    """Hydroxide far from equilibrium: n = n_0 exp(-k t') from the time t' that acid has been there.

    300 mol/m3 of HCl against 5 mol/m3 of La(OH)3, k = 1e-6 1/s: the acid of a voxel, 120 mol per
    m3 of rock, could dissolve eight times as much, so the target is 0 behind the front. That is
    in the first voxel after ln(120/105) of its 8000 s, within a step's 500 s: 0.1 % of n. Farther
    on it begins later, at the far end not before the water could be there with twice its speed.
    """
    case = Case.read(FRONT, ("grid.spacing=[0.02, 1, 1]", "schedule.max_step=500 s",
                             'side.0.composition={"H+"="300 mol/m3", "Cl-"="300 mol/m3"}',
                             'chemistry.kinetics=[{mineral="La(OH)3", rate="1e-6 1/s"}]'))
    sim = Simulation(case, quick_backend())
    while sim.state.time < 1.9e5:
        sim.step(1.9e5)
    left = sim.state.kinetic_minerals[0][sim.grid.inner][0, 0]
    first = 8e3 * np.log(120 / 105)
    assert left[0] == pytest.approx(5 * np.exp(-1e-6 * (1.9e5 - first)), rel=1e-3)
    assert (np.diff(left) > 0).all() and left[-1] > 5 * np.exp(-1e-6 * (1.9e5 - 0.49 * 2e5))
    assert sim.balances.mass_errors().max() < 1e-13


def test_pores_that_open_let_more_water_through():
    """A head drives acid through ore whose hydroxide fills a third of the pores.

    Porosity 0.4 with 5 mol/m3 of 2e-2 m3/mol; dissolved, n = 0.5. Kozeny and Carman in each
    voxel, in series along x: the flux is the head over the sum of their resistances, at any time.
    """
    overrides = (
        "grid.spacing=[0.02, 1, 1]", "schedule.max_step=1000 s",
        'side=[{face="x-", composition={"H+"="30 mol/m3", "Cl-"="30 mol/m3"}, '
        'contact="advective", head="0.05 m"}, {face="x+", head="0 m"}]',
        'physics.medium={porosity=true, molar_volume={"La(OH)3"="2e-2 m3/mol"}, '
        'permeability="kozeny-carman"}')
    sim = Simulation(Case.read(FRONT, overrides), quick_backend())
    first = sim.fields() and sim.boundary_values.side_water()["x-"]
    assert first == pytest.approx(1e-5 * 0.05 / 0.5, rel=1e-9)
    start = sim.state.solid[0][sim.grid.inner][0, 0].copy()
    while sim.state.time < 1.2e5:
        sim.step(1.2e5)
    sim.fields()
    n = 0.4 + 2e-2 * (start - sim.state.solid[0][sim.grid.inner][0, 0])
    assert n[0] == pytest.approx(0.5, rel=1e-3) and n[-1] == pytest.approx(0.4, rel=1e-4)
    K = 1e-5 * (n / 0.4)**3 * (0.6 / (1 - n))**2
    last = sim.boundary_values.side_water()["x-"]
    assert last == pytest.approx(0.05 / (0.02 / K).sum(), rel=1e-6) and last > 1.2 * first
    shown = dict(snapshot(sim))
    assert {field.name for field in dynamic_fields(sim)} == set(shown)
    assert "porosity" not in {field.name for field in static_fields(sim)}
    np.testing.assert_allclose(shown["porosity"][0, 0], n, rtol=1e-6)
    np.testing.assert_allclose(shown["hydraulic_conductivity"][0, 0], K, rtol=1e-5)
    theta = sim.rock.water_content[sim.grid.inner][0, 0]
    np.testing.assert_allclose(theta, n, rtol=1e-6)     # what its own change dissolves is next
    np.testing.assert_array_equal(sim.transport.pore_volume,
                                  sim.rock.water_content * sim.grid.voxel_volume)
    assert sim.reactions.skip is None  # every voxel is solved: its rock may change
    assert sim.balances.mass_errors().max() < 1e-13


def test_without_slow_parts_nothing_is_kept():
    """A case that names none has no stores, and no process runs."""
    sim = Simulation(Case.read(FRONT, ("grid.spacing=[0.05, 1, 1]",)), quick_backend())
    sim.step()
    assert sim.nonequilibrium.processes == [] and sim.nonequilibrium.media == []
    for name, field in FIELDS.items():
        assert hasattr(sim.state, name) != bool(field.process)
