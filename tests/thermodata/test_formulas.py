"""Chemical formulas: elements and charge, lumps, states, and differences between two."""

import pytest

from ekm3d.thermodata.formulas import (
    ATOMIC_MASS,
    canonical,
    difference,
    molar_mass,
    of_component,
    of_reaction,
    parse,
    stem,
)


@pytest.mark.parametrize("name, elements, charge", [
    ("H+", {"H": 1}, 1), ("Ca+2", {"Ca": 1}, 2), ("SO4-2", {"S": 1, "O": 4}, -2),
    ("Al(OH)4-", {"Al": 1, "O": 4, "H": 4}, -1), ("Fe2(OH)2+4", {"Fe": 2, "O": 2, "H": 2}, 4),
    ("CO2(aq)", {"C": 1, "O": 2}, 0), ("Al(OH)3(am)", {"Al": 1, "O": 3, "H": 3}, 0),
    ("CaSO4:2H2O", {"Ca": 1, "S": 1, "O": 6, "H": 4}, 0),
    ("Mg5(CO3)4(OH)2:4H2O", {"Mg": 5, "C": 4, "O": 18, "H": 10}, 0),
    ("Fe(OH)2.7Cl.3", {"Fe": 1, "O": 2.7, "H": 2.7, "Cl": 0.3}, 0),
    ("Co(NH3)6OH+2", {"Co": 1, "N": 6, "H": 19, "O": 1}, 2), ("La+++", {"La": 1}, 3),
    ("((UO2)2)OH-", {"U": 2, "O": 5, "H": 1}, -1), ("CoOH+", {"Co": 1, "O": 1, "H": 1}, 1)])
def test_formulas(name, elements, charge):
    """Brackets multiply, hydrates add, two letters win over one (Co is cobalt, CO carbon and
    oxygen), states count for nothing."""
    assert parse(name) == (elements, charge)
    assert parse("CO")[0] == {"C": 1, "O": 1}


@pytest.mark.parametrize("name", ["Calcite", "LREE(SO4)2-", "Acetate-", "Al(OH", "Al)OH", "()", "",
                                  "Xx2", "e-", "2"])
def test_names_that_are_no_formulas(name):
    assert parse(name) is None


def test_lumps_are_elements_of_their_own():
    """The longest name wins: HREE is not hydrogen and something."""
    lumps = {"LREE", "HREE", "Acetate", "X"}
    assert parse("HREE(SO4)2-", lumps) == ({"HREE": 1, "S": 2, "O": 8}, -1)
    assert parse("LREE(Acetate)2+", lumps) == ({"LREE": 1, "Acetate": 2}, 1)
    assert parse("HREEX3", lumps) == ({"HREE": 1, "X": 3}, 0)
    assert parse("NaXa2", {"X", "Xa", "Xab"}) == ({"Na": 1, "Xa": 2}, 0)
    assert parse("[Fe+2]OH+", {"[Fe+2]"}) == ({"[Fe+2]": 1, "O": 1, "H": 1}, 1)


@pytest.mark.parametrize("lumps, name, elements", [
    ("E", "ErOH+2", {"Er": 1, "O": 1, "H": 1}), ("X", "XeX2", {"Xe": 1, "X": 2}),
    ("A", "AlA3", {"Al": 1, "A": 3}), ("R", "RaR2", {"Ra": 1, "R": 2}),
    ("T", "TbT3", {"Tb": 1, "T": 3}),
    ("D", "DyD3", {"Dy": 1, "D": 3}), ("L", "LaL3", {"La": 1, "L": 3}),
    ("Z", "ZnZ2", {"Zn": 1, "Z": 2}), ("G", "GdG3", {"Gd": 1, "G": 3}),
    ("M", "MnM2", {"Mn": 1, "M": 2}), ("Hu", "HHu", {"H": 1, "Hu": 1}),
    ("Amm", "AmmHX", {"Amm": 1, "H": 1, "X": 1}), ("Hfo_", "Hfo_H", {"Hfo_": 1, "H": 1})])
def test_symbols_are_matched_whole(lumps, name, elements):
    """A site or pseudo-element of one letter leaves the elements that begin with it alone."""
    assert parse(name, {"E", "X", lumps})[0] == elements


def test_charges_have_one_form():
    assert [canonical(n) for n in ("Cu+1", "SO4--", "La+++", "OH-1", "NH3", "Na+")] == \
        ["Cu+", "SO4-2", "La+3", "OH-", "NH3", "Na+"]
    assert stem("X-") == ("X", -1) and stem("Zn(OH)2-a") == ("Zn(OH)2-a", 0)


def test_compositions_of_components_and_reactions():
    """CO2 = HCO3- + H+ - H2O: H 1 + 1 - 2 = 0, C 1, O 3 - 1 = 2; no hydrogen is left over."""
    water, carbonate = {"H": 2, "O": 1}, of_component({"name": "HCO3-"})
    assert carbonate == {"H": 1, "C": 1, "O": 3}
    known = {"H2O": water, "HCO3-": carbonate, "H+": {"H": 1}}
    assert of_reaction({"HCO3-": 1, "H+": 1, "H2O": -1}, known) == {"C": 1, "O": 2}
    assert of_component({"name": "LREE+3"}) == {"LREE": 1}
    assert of_component({"name": "Edta-4", "elements": {"C": 10, "N": 2}}) == {"C": 10, "N": 2}
    assert difference({"C": 1, "O": 3}, {"C": 1, "O": 2}) == "O 3, but the reaction gives 2"
    assert difference({"Ca": 1}, {"Ca": 1, "O": 1}) == "O 0, but the reaction gives 1"
    assert difference({"C": 1}, {"C": 1}) == ""


def test_molar_masses():
    """H2O 18.015, gibbsite Al(OH)3 78.003 (26.982 + 3 x 17.007); a lump has none."""
    assert molar_mass({"H": 2, "O": 1}) == pytest.approx(18.015)
    assert molar_mass(parse("Al(OH)3")[0]) == pytest.approx(78.003)
    assert molar_mass({"LREE": 1}) is None
    lanthanides = "La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu".split()
    assert [ATOMIC_MASS[e] for e in lanthanides] == sorted(ATOMIC_MASS[e] for e in lanthanides)
