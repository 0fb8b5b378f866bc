"""Groups of components by name, and suspect constants."""

import pytest

from ekm3d.thermodata.groups import group_of
from ekm3d.thermodata.suspects import suspects


@pytest.mark.parametrize("name, charge, group", [
    ("La+3", 3, "REE"), ("Lu+3", 3, "REE"), ("Y+3", 3, "REE"), ("Sc+3", 3, "REE"),
    ("Ce+4", 4, "REE"), ("Eu+2", 2, "REE"), ("Al+3", 3, "impurity"), ("Al(OH)4-", -1, "impurity"),
    ("Fe+2", 2, "impurity"), ("Mn+2", 2, "impurity"), ("Ca+2", 2, "impurity"),
    ("Mg+2", 2, "impurity"), ("K+", 1, "impurity"), ("Na+", 1, "impurity"),
    ("NH4+", 1, "ammonium"), ("NH3", 0, "ammonium"), ("Zn+2", 2, ""), ("Cl-", -1, ""),
    ("SO4-2", -2, ""), ("H+", 1, ""), ("NO3-", -1, ""), ("Yb+3", 3, "REE"), ("LREE+3", 3, "")])
def test_groups_by_name(name, charge, group):
    assert group_of({"name": name, "charge": charge}) == group
    assert group_of({"name": name, "charge": charge, "group": "mine"}) == "mine"


@pytest.mark.parametrize("elements, group", [
    ({"Amm": 1, "H": 1}, "ammonium"), ({"[N-3]": 1, "H": 4}, "ammonium"),
    ({"[Fe+2]": 1}, "impurity"), ({"Fulvate": 1}, "")])
def test_groups_by_elements(elements, group):
    assert group_of({"name": "x", "charge": 1, "elements": elements}) == group


def database(*constants):
    """Return tables with complexes of (name, metal, ligands, log K)."""
    metals = ("La+3", "Ce+3", "Pr+3", "Nd+3", "Sm+3", "Na+")
    return {"component": [{"name": name, "charge": 3.0 if "3" in name else 1.0} for name in metals]
            + [{"name": "L-", "charge": -1.0}, {"name": "H+", "charge": 1.0}],
            "species": [{"name": name, "reaction": {metal: 1, "L-": n}, "log_k": log_k}
                        for name, metal, n, log_k in constants]}


def test_suspects_are_those_that_stand_out():
    """One of the other sign, one 1.2 too high, one of -70; trends and other ligands are sound."""
    row = [("LaL", "La+3", 1, 3.5), ("CeL", "Ce+3", 1, -3.6), ("PrL", "Pr+3", 1, 3.6),
           ("NdL", "Nd+3", 1, 3.7), ("SmL", "Sm+3", 1, 4.9),
           ("LaL2", "La+3", 2, 5.0), ("CeL2", "Ce+3", 2, 5.9), ("PrL2", "Pr+3", 2, 6.8),
           ("NaL", "Na+", 1, -70.0), ("NaL9", "Na+", 9, -70.0)]
    told = suspects(database(*row))
    assert [text.partition(":")[0] for text in told] == ["NaL", "CeL", "SmL"]
    assert "log K = -3.6, but 3.5 for LaL" in told[1]
    assert suspects(database(*row), {"La+3", "L-"}) == []
    assert len(suspects(database(*row), {"Ce+3", "L-"})) == 1
