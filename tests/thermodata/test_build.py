"""Thermodynamic database: arrays of a file, and all of its mistakes reported at once."""

import copy
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ekm3d.thermodata.build import build, read_database

FIELD = Path(__file__).parents[2] / "cases" / "field_block" / "database.toml"


@pytest.fixture
def tables():
    """The field block's database as parsed tables, to spoil."""
    return copy.deepcopy(tomllib.loads(FIELD.read_text()))


def record(tables, kind, name):
    return next(r for r in tables[kind] if r["name"] == name)


def test_the_field_block_holds_its_whole_system():
    """10 components, 24 species, 8 exchange species, 4 minerals, with their signs.

    Al(OH)4- = Al+3 + 4 H2O - 4 H+ has charge 3 - 4 = -1; CO2(aq) = HCO3- + H+ - H2O sets water
    free, so its coefficient is negative; constants are the model's.
    """
    chem = read_database(FIELD)
    assert len(chem.components) == 10 and len(chem.species) == 24
    assert len(chem.exchange) == 8 and len(chem.minerals) == 4
    assert chem.species[:10] == chem.components and not chem.log_k[:10].any()
    aluminate, carbonic = chem.species_index("Al(OH)4-"), chem.species_index("CO2(aq)")
    assert chem.z[aluminate] == -1 and chem.water[aluminate] == 4
    assert chem.nu[aluminate, chem.index("Al")] == 1 and chem.nu[aluminate, chem.hydrogen] == -4
    assert chem.water[carbonic] == -1 and chem.z[carbonic] == 0
    assert dict(zip(chem.exchange, chem.log_k_x, strict=True)) == {
        "NaX": 0.0, "NH4X": 0.60, "KX": 1.14, "CaX2": 0.82, "AlX3": 2.62, "LREEX3": 2.68,
        "HREEX3": 2.58, "HX": 1.08}
    assert dict(zip(chem.minerals, chem.log_k_m, strict=True)) == {
        "Al(OH)3": 9.7, "LREE(OH)3": 20.3, "HREE(OH)3": 18.0, "CaCO3": 1.85}
    diffusion = np.round(chem.diffusion * 1e9, 6)
    formation = {name: (chem.log_k[s], diffusion[s]) for s, name in enumerate(chem.species)}
    assert {name: formation[name] for name in chem.species[10:]} == {
        "OH-": (-14.0, 5.273), "HSO4-": (1.99, 1.385), "NH3": (-9.25, 1.64),
        "NH4SO4-": (1.03, 1.10), "CO3-2": (-10.33, 0.923), "CO2(aq)": (6.35, 1.91),
        "LREESO4+": (3.61, 0.60), "LREE(SO4)2-": (5.2, 0.60), "HREESO4+": (3.50, 0.60),
        "HREE(SO4)2-": (5.0, 0.60), "AlSO4+": (3.5, 0.60), "AlOH+2": (-5.0, 0.60),
        "Al(OH)2+": (-10.1, 0.60), "Al(OH)4-": (-22.7, 1.04)}
    assert 1e9 * chem.diffusion[:10] == pytest.approx(
        [9.311, 1.957, 1.065, 0.62, 0.58, 0.541, 0.792, 1.957, 1.334, 1.185])
    assert [chem.labels[k] for k in chem.group("REE")] == ["LREE", "HREE"]
    assert [chem.labels[k] for k in chem.group("impurity")] == ["Al", "Ca", "K", "Na"]
    assert chem.molar_mass[chem.index("LREE")] == pytest.approx(0.142)      # kg/mol
    assert chem.diffusion[chem.index("H+")] == 9.311e-9


def test_every_record_states_its_source():
    """A number without a source cannot be questioned."""
    tables = tomllib.loads(FIELD.read_text())
    records = [r for kind in ("component", "species", "exchange", "mineral") for r in tables[kind]]
    assert all(r["source"].strip() for r in records)


def test_reactions_conserve_charge():
    """z = nu z_components for species; exchange and minerals are neutral: sum is 0."""
    chem = read_database(FIELD)
    assert np.array_equal(chem.nu @ chem.charge, chem.z)
    assert np.array_equal(chem.nu_x @ chem.charge, chem.z_x)
    assert not (chem.nu_m @ chem.charge).any()


def test_names_show_the_charge_that_reactions_give():
    """The sign and number a name ends in, "LREE(SO4)2-", "AlOH+2", none: any one coefficient of a
    charged component that were wrong would change it."""
    chem = read_database(FIELD)
    for name, z in zip(chem.species, chem.z, strict=True):
        ending = re.search(r"([+-])(\d?)$", name)
        assert z == (int(ending[1] + (ending[2] or "1")) if ending else 0), name


def test_a_selection_keeps_what_it_can_form():
    """Without Al, Ca and carbonate: no species, exchanger or mineral that needs them."""
    chem = read_database(FIELD, ["H+", "LREE+3", "SO4-2"])
    assert chem.species == ("H+", "LREE+3", "SO4-2", "OH-", "HSO4-", "LREESO4+", "LREE(SO4)2-")
    assert chem.exchange == ("LREEX3", "HX") and chem.minerals == ("LREE(OH)3",)
    assert read_database(FIELD, minerals=["CaCO3"]).minerals == ("CaCO3",)
    assert read_database(FIELD, minerals=[]).minerals == ()
    assert read_database(FIELD, ["Na+", "K+"]).hydrogen is None


def test_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        read_database(FIELD).log_k[12] = 3.0


def test_the_ideal_system_has_no_activity_model():
    chem = read_database(FIELD).ideal()
    assert (chem.debye_A, chem.linear.any(), chem.water_activity) == (0, False, 0)


def test_mobility_factor():
    """f = 1/(1 + b sqrt I): 1 at I = 0, and 1/(1 + b) at 1 mol/l."""
    chem = read_database(FIELD)
    b = chem.mobility_coefficient
    assert chem.mobility(np.array([0.0, 1.0])) == pytest.approx([1.0, 1 / (1 + b)])


@pytest.mark.parametrize("ask, words", [
    (dict(components=["H+", "NH4"]), "unknown component 'NH4', did you mean 'NH4+'?"),
    (dict(components=["H+", "H+"]), "component 'H+': chosen twice"),
    (dict(minerals=["AlOH3"]), "unknown mineral 'AlOH3', did you mean 'Al(OH)3'?"),
    (dict(components=["H+"], minerals=["CaCO3"]), "mineral 'CaCO3': needs Ca+2, HCO3-"),
])
def test_a_selection_is_checked(ask, words):
    with pytest.raises(ValueError) as caught:
        read_database(FIELD, **ask)
    assert words in str(caught.value) and str(caught.value).startswith("database.toml: ")


def test_names_are_found_by_name_or_label():
    chem = read_database(FIELD)
    assert chem.index("SO4") == chem.index("SO4-2") == 2
    with pytest.raises(ValueError, match="did you mean 'SO4-2'"):
        chem.index("SO4-")
    with pytest.raises(ValueError, match=r"did you mean 'HSO4-'"):
        chem.species_index("HSO4")


def change(kind, name, **values):
    def spoil(tables):
        record(tables, kind, name).update(values)
    return spoil


def remove(kind, name, key):
    def spoil(tables):
        record(tables, kind, name).pop(key)
    return spoil


def retable(table, **values):
    def spoil(tables):
        tables[table].update(values)
    return spoil


MISTAKES = {
    "component 'NH4+': molar_mass is missing": remove("component", "NH4+", "molar_mass"),
    "component 'NH4+': unknown key 'molarmass', did you mean 'molar_mass'?":
        change("component", "NH4+", molarmass=18.0),
    "component 'K+': molar_mass = -39.1 g/mol, must be positive":
        change("component", "K+", molar_mass=-39.1),
    "component 'K+': diffusion = 1.957 m2/s, must be about 1e-9":
        change("component", "K+", diffusion=1.957),
    "component 'K+': charge = 'plus one', must be a number":
        change("component", "K+", charge="plus one"),
    "component label 'Na': given to more than one component":
        change("component", "K+", label="Na"),
    "species 'NH3': diffusion is missing": remove("species", "NH3", "diffusion"),
    "species 'NH3': log_k = nan, must be a number": change("species", "NH3", log_k=float("nan")),
    "species 'NH3': unknown component 'NH4', did you mean 'NH4+'?":
        change("species", "NH3", reaction={"NH4": 1, "H+": -1}),
    "species 'AlOH+2': charge = 1, but the reaction gives 2":
        change("species", "AlOH+2", charge=1),
    "species 'NH3': the name is already taken by a component":
        lambda t: t["component"].append(dict(t["component"][1], name="NH3", label="ammonia")),
    "exchange 'CaX2': 1 X- for a charge of 2, must be X- = 2":
        change("exchange", "CaX2", reaction={"Ca+2": 1, "X-": 1}),
    "exchange 'KX': takes no sites, give X- = 1": change("exchange", "KX", reaction={"K+": 1}),
    "mineral 'CaCO3': the reaction has charge 1, must be 0":
        change("mineral", "CaCO3", reaction={"Ca+2": 1, "HCO3-": 1}),
    "mineral 'CaCO3': coefficient of Ca+2 = 0, must be a number other than 0":
        change("mineral", "CaCO3", reaction={"Ca+2": 0, "HCO3-": 1, "H+": 1}),
    "mineral 'CaCO3': source is missing": remove("mineral", "CaCO3", "source"),
    "species 1: has no name": lambda t: t["species"][0].pop("name"),
    "unknown table 'minerals', did you mean 'mineral'?": lambda t: t.update(minerals=[]),
    "[activity]: model = 'debye', must be \"davies\" or \"ideal\"":
        retable("activity", model="debye"),
    "[activity]: A = None, must be a number >= 0": lambda t: t["activity"].pop("A"),
    "[mobility]: unknown key 'coefficent', did you mean 'coefficient'?":
        retable("mobility", coefficent=0.7),
    "[mobility] is missing": lambda t: t.pop("mobility"),
    "no [[component]]: at least one is needed": lambda t: t.update(component=[]),
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_named(tables, words):
    """Each line names record and key, says what is wrong and what would be right."""
    MISTAKES[words](tables)
    with pytest.raises(ValueError) as caught:
        build(tables, "database.toml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("database.toml: ") for line in lines)
    assert any(words in line for line in lines)


def test_all_mistakes_are_named_at_once(tables):
    """Three unrelated mistakes give exactly three lines, in the file's order."""
    remove("species", "NH3", "diffusion")(tables)
    change("exchange", "CaX2", reaction={"Ca+2": 1, "X-": 1})(tables)
    change("component", "K+", molar_mass=-39.1)(tables)
    with pytest.raises(ValueError) as caught:
        build(tables, "database.toml")
    assert [line.split("'")[1] for line in str(caught.value).splitlines()] == ["K+", "NH3", "CaX2"]


def test_broken_toml_is_a_value_error(tmp_path):
    path = tmp_path / "database.toml"
    path.write_text("[activity\nmodel = 1")
    with pytest.raises(ValueError, match="database.toml:1: column 10: "):
        read_database(path)
