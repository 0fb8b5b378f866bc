"""Runs whose chemistry is more than water, one exchanger and minerals: open to gases, two clays."""

import numpy as np
import pytest
from helpers.case_files import told
from helpers.salt_block import advance, salt_case, simulation

from ekm3d.diagnostics.budget_columns import budget_columns, treatment_totals

PACKAGE = ('chemistry.database="package"',
           'chemistry.components=["H+", "Na+", "Ca+2", "La+3", "SO4-2", "CO3-2", "NH4+"]',
           'chemistry.minerals=["Calcite", "La(OH)3(am)"]',
           'ore.exchangeable={"La+3"="500 mg/kg", "Ca+2"="100 mg/kg"}',
           'water.prewetting={"NH4+"="22.5 meq/kg", "SO4-2"="22.5 meq/kg"}')
ONE = ("chemistry.exchanger.variable_charge=6 meq/kg", "chemistry.exchanger.reference_pH=5.3")
AIR = 'chemistry.gases={"CO2(g)"="4.2e-4 atm"}'
SECOND = """
[[exchanger]]
name = "Y-"
convention = "vanselow"

[[exchange]]
name = "NaY"
reaction = { "Na+" = 1, "Y-" = 1 }
log_k = 0.0
source = "the test's own"

[[exchange]]
name = "LaY3"
reaction = { "La+3" = 1, "Y-" = 3 }
log_k = 2.0
source = "the test's own"

[[exchange]]
name = "HY"
reaction = { "H+" = 1, "Y-" = 1 }
log_k = 1.0
source = "the test's own"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    case = salt_case(tmp_path_factory.mktemp("open"))
    (case / "second.toml").write_text(SECOND)
    return case


TREATED = ('electrodes.air={ species="CO2", saturation="0.014 mmol/l", velocity="1e-4 m/s", '
           'area="1 m2" }',
           'electrodes.conditioning={ pH=9.0, acid="SO4-2" }')


@pytest.mark.parametrize("order", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_air_and_acid_of_the_catholytes_are_in_the_books(folder, order):
    """Catholyte held at pH 9 under air: carbon and sulfate come in, and all balances close.

    Air: at pH 9 the water holds next to no CO2 at first, so the uptake is below, and near,
    k_L A c* t = 1e-4 x 1 x 0.014 x t of every tank. Acid: base made, less what water carried away.
    The pH is that after hydroxide has settled in the step, a little lower.
    """
    sim = advance(simulation(folder, *PACKAGE, *ONE, *TREATED, f"schedule.order={order}"), 600.0)
    s, chem = sim.state, sim.chem
    carbon, sulfate, h = (chem.index(name) for name in ("CO3-2", "SO4-2", "H+"))
    most = 1e-4 * 0.014 * 600.0 * sim.catholytes.tanks.size
    assert 0.1 * most < s.gas_uptake[carbon] < most
    assert s.gas_uptake[h] == pytest.approx(2 * s.gas_uptake[carbon])
    assert s.dosed[sulfate] > 0 and s.dosed[h] == pytest.approx(2 * s.dosed[sulfate])
    driven = sim.catholytes.dosed[sulfate] > 0
    assert driven.any()
    np.testing.assert_allclose(s.catholyte_pH[driven], 9.0, atol=0.01)
    assert sim.balances.mass_errors().max() < 1e-12 and sim.balances.faraday_error() < 1e-9
    assert sim.balances.budget.fed[sulfate] >= s.dosed[sulfate]
    columns = budget_columns(sim, np.zeros(len(chem.components)))
    assert columns[f"dosed_{chem.labels[sulfate]}[mol]"] == s.dosed[sulfate]
    assert columns[f"gas_in_{chem.labels[carbon]}[mol]"] == pytest.approx(s.gas_uptake[carbon])
    assert set(treatment_totals(sim)) == {f"dosed_{chem.labels[sulfate]}_mol",
                                          f"gas_{chem.labels[carbon]}_mol"}


@pytest.mark.parametrize("order", [1, 2])
def test_the_air_is_in_the_books(folder, order):
    """CO2 at 4.2e-4 atm over ore and catholytes, base made at the cathode: it takes up CO2.

    What the air gave closes the balance of carbon, and the acid that came with it (two per
    carbonate) that of Faraday's boxes: left out of either, both fail by 1e-2 and more. With two
    stages the second takes from a catholyte what the air gave it in the first: there the first
    stands, or carbon would turn negative.
    """
    sim = advance(simulation(folder, *PACKAGE, *ONE, AIR, f"schedule.order={order}"), 3 * 3600.0)
    assert (sim.heun.refused > 0) == (order == 2)
    carbon = sim.chem.index("CO3-2")
    absorbed = sim.state.gas_uptake
    assert absorbed[carbon] > 1e-2 and absorbed[0] == pytest.approx(2 * absorbed[carbon])
    assert sim.balances.mass_errors().max() < 1e-12
    assert sim.balances.charge_max < 1e-8 and sim.balances.faraday_error() < 1e-8
    co2 = sim.state.c[sim.chem.species_index("CO2")][sim.grid.inner][sim.electrodes.ore]
    gas = 4.2e-4 * 10**-1.468 * 1e3
    assert co2 == pytest.approx(np.full(co2.size, gas), rel=0.1)      # 0.1: activity of CO2


def test_closed_water_gets_nothing_from_the_air(folder):
    sim = advance(simulation(folder, *PACKAGE, *ONE), 3600.0)
    assert not sim.state.gas_uptake.any() and sim.balances.mass_errors().max() < 1e-12


TWO = ('chemistry.extend=["second.toml"]',
       'chemistry.exchangers=[{name="X-", cec="from inventory"}, '
       '{name="Y-", cec="4 meq/kg", variable_charge="2 meq/kg", reference_pH=5.0}]')


def test_two_exchangers_share_the_ore_by_what_each_can_hold(folder):
    """4 meq/kg of a Vanselow clay, the rest of the inventory's charge on the first.

    Charge on each: cec + slope (pH - reference), the second's protons besides; 1e-9 is the
    engine's. Over three hours all balances close.
    """
    sim = simulation(folder, *PACKAGE, *TWO)
    chem, ore, inner = sim.chem, sim.electrodes.ore, sim.grid.inner
    assert chem.exchangers == ("X-", "Y-")
    assert chem.conventions == ("gaines-thomas", "vanselow")
    cec = sim.case.ore.cec
    inventory = sum(chem.charge[chem.index(n)] * v for n, v in sim.case.ore.exchangeable.items())
    np.testing.assert_allclose(cec[1], 4e-3 * 1500)
    np.testing.assert_allclose(cec.sum(0), inventory)
    advance(sim, 3 * 3600.0)
    s = sim.state
    for n, (slope, reference) in enumerate(((0.0, 7.0), (2e-3 * 1500, 5.0))):
        mine = chem.site_of == n
        held = np.tensordot(chem.z_x[mine], s.exchanged[mine], 1)[inner][ore]
        wanted = cec[n][ore] + slope * (s.pH[inner][ore] - reference)
        np.testing.assert_allclose(held, wanted, rtol=1e-9)
    assert sim.balances.mass_errors().max() < 1e-12
    assert sim.balances.charge_max < 1e-8 and sim.balances.faraday_error() < 1e-8


@pytest.mark.parametrize("exchangers, key, message", [
    ("", "chemistry", "the database has 2 exchangers"),
    ('[{name="X-"}]', "chemistry.exchangers", "exchanger 'Y-' of the database is missing"),
    ('[{name="X-"}, {name="Z-"}]', "chemistry.exchangers.1.name", "no exchanger 'Z-'"),
    ('[{name="X-"}, {name="Y-"}]', "chemistry.exchangers.1.cec", "only one"),
    ('[{name="X-", cec="1 meq/kg"}, {name="Y-", cec="1 meq/kg"}]', "chemistry.exchangers.0.cec",
     "cannot hold the exchangeable inventory"),
    ('[{cec="1 meq/kg"}]', "chemistry.exchangers.0.name", "missing"),
])
def test_what_several_exchangers_need(folder, exchangers, key, message):
    given = [f"chemistry.exchangers={exchangers}"] if exchangers else []
    told(folder, key, message, *PACKAGE, TWO[0], *given)


def test_one_or_several_not_both(folder):
    told(folder, "chemistry.exchanger", "leave one of them out", *PACKAGE, *TWO,
         'chemistry.exchanger={reference_pH=5.3}')
