"""Speciation of solutions: pH, neutrality, a balancing ion, gases, and input errors."""

import numpy as np
import pytest
from helpers.field_voxels import FIELD
from helpers.random_systems import BATCH, CARBON_DIOXIDE, with_gas
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.chemistry.equilibrium import EquilibriumSolver, acidity_from_neutrality
from ekm3d.chemistry.solution import speciate
from ekm3d.errors import InputError
from ekm3d.thermodata.build import read_database

CHEM = with_gas(BATCH, *CARBON_DIOXIDE, 0.1)
H = CHEM.hydrogen
SALT = {"Na+": 10.0, "Cl-": 10.0}


def of(found, name):
    return found.total[CHEM.components.index(name)]


def test_acidity_from_neutrality():
    """NaCl: pH 7 but for the salt's effect on K_w, which a_H a_OH = K_w a_w keeps: 7.0001."""
    found = speciate(CHEM, SALT)
    assert found.pH == pytest.approx(7.0, abs=1e-3)
    assert found.imbalance == 0 and of(found, "H+") == 0
    assert found.ionic_strength == pytest.approx(0.01, rel=1e-4)


def test_acidity_may_be_listed():
    """10 mmol/l Na+, 12 of Cl- and 2 of acid: as from neutrality; 3 of acid: 1 eq/m3 too much."""
    listed = speciate(CHEM, {"Na+": 10.0, "Cl-": 12.0, "H+": 2.0})
    assert listed.pH == speciate(CHEM, {"Na+": 10.0, "Cl-": 12.0}).pH
    assert speciate(CHEM, {"Na+": 10.0, "Cl-": 12.0, "H+": 3.0}).imbalance == pytest.approx(1.0)


def test_a_given_pH_fixes_acidity_and_leaves_a_charge():
    """Ideal NaCl at pH 3: T_H = a_H - a_OH = 1 - 1e-8 mol/m3 (a_OH = 1e-11 mol/l)."""
    found = speciate(CHEM.ideal(), SALT, pH=3.0)
    assert found.pH == pytest.approx(3.0, abs=1e-12)
    assert of(found, "H+") == pytest.approx(1.0 - 1e-8, abs=1e-10)
    assert found.imbalance == pytest.approx(1.0 - 1e-8, abs=1e-10)


def test_pH_of_a_buffer_is_met():
    """Carbonate at pH 10.329 with ideal activities: half HCO3-, half CO3-2 (pK 10.329), so that
    acidity is half the carbonate less OH-, which is 1e-14 a_w / 10^-10.329, a_w 1 here."""
    found = speciate(CHEM.ideal(), {"CO3-2": 4.0, "Na+": 6.0}, pH=10.329)
    carbonates = [found.c[CHEM.species_index(n)] for n in ("HCO3-", "CO3-2")]
    assert carbonates[0] == pytest.approx(carbonates[1], rel=1e-8)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.0, 14.0), st.integers(0, 2**32 - 1))
def test_acidity_found_for_a_pH_gives_back_that_pH(pH, seed):
    """Any dissolved mixture: the totals, solved as any other without minerals, have this pH."""
    rng = np.random.default_rng(seed)
    amounts = {name: 10 ** rng.uniform(-3, 2) for name in CHEM.components
               if name != "H+" and rng.random() < 0.6}
    found = speciate(CHEM, amounts, pH=pH)
    again = speciate(CHEM, dict(zip(CHEM.components, found.total, strict=True)))
    assert again.pH == pytest.approx(pH, abs=1e-8)
    assert again.c == pytest.approx(found.c, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("pH, ion", [(3.0, "Cl-"), (3.0, "SO4-2"), (11.0, "Na+"), (11.5, "Ca+2")])
def test_an_ion_may_close_the_charge(pH, ion):
    """At the given pH, neutral to rounding, other totals as given; and neutrality alone, from the
    same amounts, leads to that pH."""
    amounts = {"Na+": 3.0, "Cl-": 3.0, "K+": 1.0, "SO4-2": 0.5} | {ion: 0.0}
    found = speciate(CHEM, amounts, pH=pH, balance=ion)
    assert found.pH == pytest.approx(pH, abs=1e-9)
    assert abs(found.imbalance) < 1e-12 and of(found, ion) > 0.1
    for name, amount in amounts.items():
        assert of(found, name) == amount or name == ion
    whole = amounts | {ion: of(found, ion)}
    assert speciate(CHEM, whole).pH == pytest.approx(pH, abs=1e-9)


def test_listed_amount_of_the_balancing_ion_is_ignored():
    """Its amount is what balance asks for: 10 mol/m3 listed, or nothing, or too much."""
    results = [of(speciate(CHEM, {"Na+": 10.0, "Cl-": listed}, pH=4.0, balance="Cl-"), "Cl-")
               for listed in (0.0, 10.0, 500.0)]
    assert results[0] == pytest.approx(10.0 + 0.11, abs=0.02)
    assert results[1:] == pytest.approx(results[:1] * 2, rel=1e-12)


def test_water_in_contact_with_a_gas():
    """Pure water under 10^-3.4 atm of CO2: pH 5.61 (K_H K_1 P; see test_phases); the totals hold
    the carbonate and as much acid, and are at equilibrium with that pressure."""
    found = speciate(CHEM, {}, pressures={"CO2(g)": 10**-3.4})
    assert found.pH == pytest.approx(5.61, abs=0.01)
    assert of(found, "H+") == pytest.approx(2 * of(found, "CO3-2"), rel=1e-12)
    assert abs(found.imbalance) < 1e-15
    assert speciate(CHEM, {}).pH == pytest.approx(7.0, abs=1e-6)        # the gas is kept out


def test_a_gas_a_pH_and_an_ion_together():
    """Calcium bicarbonate water, pH 7.5 under 0.02 atm: a_HCO3 = K_H K_1 P a_w/a_H, Ca half."""
    found = speciate(CHEM, {"Na+": 1.0}, pH=7.5, balance="Ca+2", pressures={"CO2(g)": 0.02})
    assert found.pH == pytest.approx(7.5, abs=1e-9) and abs(found.imbalance) < 1e-12
    a_w = 1 - CHEM.water_activity * found.c.sum() / 1e3
    log_a = -18.149 + 10.329 + np.log10(0.02 * a_w) + 7.5
    activity = found.c[CHEM.species_index("HCO3-")] / 1e3 * 10 ** (
        -CHEM.debye_A * (np.sqrt(found.ionic_strength) / (1 + np.sqrt(found.ionic_strength))
                         - 0.3 * found.ionic_strength))
    assert np.log10(activity) == pytest.approx(log_a, abs=1e-9)
    assert of(found, "Ca+2") > 1.0


def test_minerals_are_reported_not_formed():
    """Far too much calcium and sulfate: all of it dissolved, gypsum's index above 0; without what
    precipitates where minerals may form, the index is 0. Minerals of what is absent are at -inf."""
    found = speciate(CHEM, {"Ca+2": 100.0, "SO4-2": 100.0})
    assert of(found, "Ca+2") == 100.0 and found.saturation["Gypsum"] > 0.3
    assert found.saturation["Calcite"] == -np.inf
    total = np.zeros((len(BATCH.components), 1))
    total[[BATCH.components.index(n) for n in ("Ca+2", "SO4-2")]] = 100.0
    total[H] = acidity_from_neutrality(BATCH, total)
    found = EquilibriumSolver(BATCH).solve_numpy(total, 1.0)
    solid = found.solid[BATCH.minerals.index("Gypsum"), 0]
    assert solid > 10
    rest = speciate(CHEM, {"Ca+2": 100.0 - solid, "SO4-2": 100.0 - solid})
    assert rest.saturation["Gypsum"] == pytest.approx(0.0, abs=1e-9)


# --- refusals -------------------------------------------------------------------------------

@pytest.mark.parametrize("amounts, options, message", [
    (SALT, dict(pH=3.0, balance="K+"), r"no amount of K\+ makes it neutral at pH 3: without K\+ "
     r"its charge is .* eq/m3, which takes an anion to balance"),
    (SALT, dict(pH=12.0, balance="SO4-2"), r"no amount of SO4-2 .* takes a cation to balance"),
    (SALT, dict(balance="Cl-"), "balance = 'Cl-' needs a pH"),
    (SALT, dict(pH=3.0, balance="H+"), r"balance = 'H\+', must be an ion other than H\+"),
    (SALT, dict(pH=3.0, balance="Chlor"), "balance: unknown component 'Chlor'"),
    (SALT | {"H+": 1.0}, dict(pH=3.0), r"both pH and an amount of H\+ are given"),
    (SALT, dict(pH=17.0), "pH = 17.0, must be -2 to 16"),
    (SALT, dict(pH=np.nan), "pH = nan, must be -2 to 16"),
    ({"Na+": -1.0}, {}, r"Na\+ = -1.0 mol/m3, must not be negative"),
    ({"Na+": np.nan}, {}, r"Na\+ = nan mol/m3, must not be negative"),
    ({"Nb+": 1.0}, {}, r"unknown component 'Nb\+', did you mean"),
    (SALT, dict(pressures={"CO3(g)": 1.0}), r"unknown gas 'CO3\(g\)', did you mean 'CO2\(g\)'"),
    (SALT, dict(pressures={"CO2(g)": 0.0}), r"CO2\(g\) = 0.0 atm, must be above 0"),
])
def test_contradictions_raise_an_input_error(amounts, options, message):
    with pytest.raises(InputError, match=f"^the feed: {message}"):
        speciate(CHEM, amounts, place="the feed", **options)


def test_a_system_without_acidity_has_no_pH():
    chem = read_database(FIELD, ["Na+", "SO4-2"])
    assert np.isnan(speciate(chem, {"Na+": 2.0, "SO4-2": 1.0}).pH)
    with pytest.raises(ValueError, match="pH = 7.0, but H. is not a component"):
        speciate(chem, {"Na+": 2.0, "SO4-2": 1.0}, pH=7.0)
