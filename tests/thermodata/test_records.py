"""Records of a database: the balance of charge and mass, every key, and the resulting arrays."""

import copy
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ekm3d.chemistry.water_properties import debye_hueckel
from ekm3d.thermodata.build import DatabaseError, build, diffusion_factor, log_k, merge
from ekm3d.thermodata.records import KEYS, analytic

RICH = tomllib.loads((Path(__file__).parents[1] / "data" / "every_key.toml").read_text())


@pytest.fixture
def rich():
    return copy.deepcopy(RICH)


def mistakes(tables):
    with pytest.raises(DatabaseError) as caught:
        build(tables)
    return [text for _, text in caught.value.problems]


def spoil(kind, name, **values):
    def spoiled(tables):
        next(r for r in tables[kind] if r["name"] == name).update(values)
    return spoiled


MISTAKES = {
    "species 'OH-': the formula OH- has H 1, but the reaction gives 3; O 1, but the reaction gives "
    "2": spoil("species", "OH-", reaction={"H2O": 2, "H+": -1}),
    "species 'CO2': the formula CO2 has H 0, but the reaction gives 2; O 2, but the reaction gives "
    "3": spoil("species", "CO2", reaction={"CO3-2": 1, "H+": 2}),
    "species 'HCO3-': the formula HCO2- has O 2, but the reaction gives 3":
        spoil("species", "HCO3-", formula="HCO2-"),
    "species 'pair': the formula CaCO3+ has charge 1, but the reaction gives 0":
        spoil("species", "pair", formula="CaCO3+"),
    "species 'CaCitrate-': the formula CaCitrate- has Citrate 1, but the reaction gives 2":
        spoil("species", "CaCitrate-", reaction={"Ca+2": 1, "Citrate-3": 2}),
    "species 'pair': formula = 'Ca(CO3' cannot be read as a chemical formula":
        spoil("species", "pair", formula="Ca(CO3"),
    "species 'pair': formula = 5, must be text": spoil("species", "pair", formula=5),
    "mineral 'Calcite': the formula CaCO2 has O 2": spoil("mineral", "Calcite", formula="CaCO2"),
    "gas 'CO2(g)': the reaction has charge -2, must be 0":
        spoil("gas", "CO2(g)", reaction={"CO3-2": 1}),
    "gas 'NH3(g)': the formula NH3(g) has H 3, but the reaction gives 4; N 1, but the reaction "
    "gives 2; O 0, but the reaction gives -1":
        spoil("gas", "NH3(g)", reaction={"Amm+": 2, "H+": -2, "H2O": -1}),
    "exchange 'CaY2': the formula CaY2 has Ca 1, but the reaction gives 0.5; Y 2, but the reaction "
    "gives 1": spoil("exchange", "CaY2", reaction={"Ca+2": 0.5, "Y-": 1}),
    "exchange 'HX': takes sites of X- and Y-, must be of one exchanger":
        spoil("exchange", "HX", reaction={"H+": 2, "X-": 1, "Y-": 1}),
    "exchange 'HX': H2O cannot take part in exchange":
        spoil("exchange", "HX", reaction={"H+": 1, "X-": 1, "H2O": 1}),
    "exchange 'HX': takes no sites, give X- = 1": spoil("exchange", "HX", reaction={"H+": 1}),
    "exchanger 'Y-': convention = 'gaines', must be \"gaines-thomas\" or \"vanselow\" or \"gapon\"":
        spoil("exchanger", "Y-", convention="gaines"),
    "must be named as an empty site of charge -1, e.g. \"X-\"":
        lambda t: t["exchanger"].append({"name": "Z"}),
    "component 'Ca+2': charge = 3, but the name says +2": spoil("component", "Ca+2", charge=3),
    "component 'Amm+': elements = {}, must be a table": spoil("component", "Amm+", elements={}),
    "component 'Amm+': elements = {'N': -1}": spoil("component", "Amm+", elements={"N": -1}),
    "component 'H+': size and linear belong together": lambda t: t["component"][0].pop("linear"),
    "component 'H+': size = -1.0, must not be negative": spoil("component", "H+", size=-1.0),
    "species 'CO2': linear = 40, must be at most 10": spoil("species", "CO2", linear=40),
    "species 'OH-': delta_h = 55800, must be at most 3000": spoil("species", "OH-", delta_h=55800),
    "species 'OH-': log_k_T = [], must be a list of A1 to A6": spoil("species", "OH-", log_k_T=[]),
    "species 'OH-': log_k_T gives -13.500 at 25 C, but log_k = -14.0":
        spoil("species", "OH-", log_k_T=[-13.5]),
    "species 'OH-': log_k_T gives": spoil("species", "OH-", log_k_T=[1e299, 0, 0, 0, 0, 1e299]),
    "mineral 'Calcite': molar_volume = 0 cm3/mol, must be positive":
        spoil("mineral", "Calcite", molar_volume=0),
    "mineral 'Calcite': uncertainty = -0.1, must not be negative":
        spoil("mineral", "Calcite", uncertainty=-0.1),
    "mineral 'Calcite': uncertainty = 'small', must be a number":
        spoil("mineral", "Calcite", uncertainty="small"),
    "mineral 'Portlandite': unknown key 'diffusion'": spoil("mineral", "Portlandite", diffusion=1),
    "[activity]: model = 'pitzer', must be \"davies\" or \"ideal\" or \"wateq\"":
        lambda t: t["activity"].update(model="pitzer"),
    "the name is already taken by a species": lambda t: t["gas"][0].update(name="CO2"),
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_named(rich, words):
    """One change is told by one message that names the record and says what would be right; what
    is wrong in its wake (of a charge, a sixth of the file) may follow."""
    MISTAKES[words](rich)
    found = mistakes(rich)
    assert sum(words in text for text in found) == 1, found
    assert len(found) <= 2 or "but the name says" in words, found


def test_all_of_the_keys_are_read(rich):
    """The rich set is sound, and holds every key of every kind but labels and groups."""
    build(rich)
    for kind, (required, optional) in KEYS.items():
        seen = {key for r in rich[kind] for key in r}
        missing = required | optional - {"label", "group", "note", "uncertainty", "formula",
                                         "charge", "log_k_T", "delta_h", "elements", "gamma"}
        assert missing <= seen, kind


def test_a_charge_that_the_name_does_not_say_is_the_records(rich):
    """With `charge` the name is no claim about it: only the reaction is."""
    rich["species"][1]["name"] = "HCO3"
    assert "has charge 0, but the reaction gives -1" in mistakes(rich)[0]
    rich["species"][1]["charge"] = -1
    chem = build(rich)
    assert chem.z[chem.species_index("HCO3")] == -1


def test_exchangers_and_their_conventions(rich):
    """Sites by name; half reactions per equivalent (Gapon) balance as any other."""
    chem = build(rich)
    assert chem.exchangers == ("X-", "Y-") and chem.conventions == ("gapon", "vanselow")
    assert chem.exchange == ("CaY2", "HX", "Ca0.5X")
    assert chem.site_of.tolist() == [1, 0, 0] and chem.z_x.tolist() == [2, 1, 1]
    assert chem.nu_x[2, 1] == 0.5
    only = build(rich, exchange=["CaY2"])
    assert only.exchangers == ("Y-",) and only.conventions == ("vanselow",)
    assert only.site_of.tolist() == [0]
    assert build(rich, exchange=[]).exchangers == ()


def test_without_a_table_of_exchangers_there_is_one(rich):
    rich["exchange"] = [r for r in rich["exchange"] if "X-" in r["reaction"]]
    del rich["exchanger"]
    chem = build(rich)
    assert chem.exchangers == ("X-",) and chem.conventions == ("gaines-thomas",)


def test_ions_have_their_own_sizes(rich):
    """size = B a with B = 0.3285 per angstrom; without one, Davies: 1 and 0.3 A z2, or 0.1."""
    chem = build(rich)
    A, B = debye_hueckel(298.15)
    assert chem.debye_A == 0.51
    at = chem.species.index
    assert chem.size[[at("H+"), at("Ca+2"), at("CO2")]] == pytest.approx([9 * B, 5 * B, 0])
    assert chem.linear[[at("H+"), at("Ca+2"), at("CO2")]].tolist() == [0, 0.165, 0.15]
    assert chem.size[at("HCO3-")] == 1 and chem.linear[at("HCO3-")] == pytest.approx(0.153)
    assert chem.linear[at("Citrate-3")] == pytest.approx(9 * 0.153)
    assert chem.linear[at("NH3")] == 0.1
    rich["activity"]["model"] = "davies"
    davies = build(rich)
    assert (davies.size == 1).all() and davies.linear[at("Ca+2")] == pytest.approx(4 * 0.153)
    rich["activity"] = {"model": "ideal", "water_activity": 0.01}
    ideal = build(rich)
    assert (ideal.debye_A, ideal.linear.any(), ideal.water_activity) == (0, False, 0.01)


def test_gases_are_kept_at_their_pressures(rich):
    """Only those asked for; dissolution over components, and a formula without H2O counts."""
    assert build(rich).gases == () and build(rich).nu_g.shape == (0, 5)
    chem = build(rich, gases={"CO2(g)": 4e-4})
    assert chem.gases == ("CO2(g)",) and chem.pressure_g.tolist() == [4e-4]
    assert chem.nu_g.tolist() == [[2, 0, 1, 0, 0]] and chem.water_g.tolist() == [-1]
    assert chem.log_k_g.tolist() == [-18.15]
    with pytest.raises(ValueError, match="unknown gas 'N2', known are"):
        build(rich, gases={"N2": 1.0})


def test_molar_volumes_are_si(rich):
    chem = build(rich)
    assert chem.volume_m[0] == pytest.approx(36.9e-6) and np.isnan(chem.volume_m[1])


def test_constants_follow_temperature(rich):
    """At 25 C exactly the file's. At 40 C: OH- by van 't Hoff, 55.8 kJ/mol gives +0.468; HCO3-
    by its analytic expression, A3 (1/T - 1/T0); Portlandite, which has neither, stays."""
    hot, T, T0 = build(rich, temperature=313.15), 313.15, 298.15
    at = hot.species.index
    heat = 55800 / (8.314462618 * np.log(10)) * (1 / T0 - 1 / T)
    assert heat == pytest.approx(0.468, abs=1e-3)
    assert hot.log_k[at("OH-")] == pytest.approx(-14 + heat, abs=1e-12)
    assert hot.log_k[at("HCO3-")] == pytest.approx(10.33 + 1788.9 * (1 / T - 1 / T0), abs=1e-12)
    assert hot.log_k_m.tolist() == [-8.48, 22.8]
    assert hot.log_k_x[0] == pytest.approx(0.8 + 7.2 / 55.8 * heat)
    assert build(rich, temperature=313.15, gases={"CO2(g)": 1.0}).log_k_g[0] == pytest.approx(
        -18.15 - 4 / 55.8 * heat)
    assert build(rich).log_k[at("HCO3-")] == 10.33
    assert log_k(rich["species"][1], T0) == 10.33


def test_the_analytic_expression_has_six_terms():
    """A1 + A2 T + A3/T + A4 log10 T + A5/T2 + A6 T2 at T = 100 K, term by term."""
    T = 100.0
    assert [analytic([0] * n + [1], T) for n in range(6)] == pytest.approx(
        [1, 100, 0.01, 2, 1e-4, 1e4])
    assert analytic([1, 2], T) == 201


def test_diffusion_follows_the_viscosity_of_water(rich):
    """Stokes-Einstein: D eta/T is constant. At 40 C water has 0.6527 mPa s, at 25 C 0.8901."""
    hot = build(rich, temperature=313.15).diffusion / build(rich).diffusion
    assert hot == pytest.approx(313.15 / 298.15 * 0.8901 / 0.6527, rel=2e-3)
    assert np.ptp(hot) < 1e-12 and diffusion_factor(298.15) == 1.0


def test_debye_hueckel_follows_temperature(rich):
    """The file's A at 25 C, scaled as that of water; sizes by B at the temperature."""
    hot, (A0, _), (A, B) = build(rich, temperature=313.15), debye_hueckel(298.15), \
        debye_hueckel(313.15)
    assert hot.debye_A == pytest.approx(0.51 * A / A0)
    assert hot.size[0] == pytest.approx(9 * B)


def test_a_mistake_is_headed_by_the_file_it_comes_from(rich):
    own = {"mineral": [{"name": "Calcite", "reaction": {"Ca+2": 1}, "log_k": 1, "source": "x"}],
           "species": [{"name": "Q", "reaction": {"Ca+2": 0}, "log_k": 1, "source": "x",
                        "diffusion": 1e-9}]}
    rich["species"][0]["log_k"] = "x"
    tables, origins = merge([("base.toml", rich), ("own.toml", own)])
    with pytest.raises(DatabaseError) as caught:
        build(tables, origins=origins)
    heads = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert heads == ["base.toml", "own.toml", "own.toml"]


def test_names_twice_in_one_file_are_a_mistake_in_two_an_override(rich):
    tables, _ = merge([("one", rich), ("two", {"gas": [RICH["gas"][0] | {"log_k": -18.0}]})])
    assert build(tables, gases={"CO2(g)": 1.0}).log_k_g[0] == -18.0
    tables, _ = merge([("one", rich), ("two", {"gas": [{"name": "A"}, {"name": "A"}]})])
    assert any("already taken by a gas" in text for text in mistakes(tables))


@pytest.mark.parametrize("garbage", [[], {}, "x", -1, True, 10**400, float("nan"), [[1]], 1e-320])
def test_no_database_leads_to_a_traceback(garbage):
    """Garbage in place of every table, record and value in turn, read alone and as an extension:
    a Chemistry or a DatabaseError."""
    def spoilt(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            changed = dict(node) if isinstance(node, dict) else list(node)
            changed[key] = garbage
            yield changed
            if isinstance(node[key], (dict, list)):
                for inner in spoilt(node[key]):
                    changed = dict(node) if isinstance(node, dict) else list(node)
                    changed[key] = inner
                    yield changed

    for tables in spoilt(RICH):
        for read in (tables, merge([("base", RICH), ("own", tables)])[0]):
            try:
                build(read, gases={"CO2(g)": 4e-4}, temperature=300.0)
            except DatabaseError as error:
                assert error.problems and all(text for _, text in error.problems)
