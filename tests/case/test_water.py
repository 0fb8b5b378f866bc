"""[water]: compositions that differ from voxel to voxel, regions, charge balance, pH."""

import numpy as np
import pytest
from helpers.case_files import OPEN, SMALL, copy, told, told_with_line

from ekm3d.case.case import Case
from ekm3d.case.water import mixed, shares
from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.grid.grid import Grid

WATER = ('composition = { "Na+" = { formula = "1 + x", unit = "mmol/l" }, '
         '"Cl-" = { formula = "1 + x", unit = "mmol/l" } }')
BOX = 'box = [["25 cm", "0 m", "0 m"], ["1 m", "0.8 m", "3 m"]]'


def test_composition_without_sources_is_floats(tmp_path):
    water = Case.read(copy(tmp_path)).water
    assert all(isinstance(v, float) for v in (*water.composition.values(),
                                              *water.prewetting.values()))


def test_region_replaces_the_water_in_its_box():
    """1 + x mmol/l, and 20 mmol/l from x = 0.25 m on: half and half in the voxel from 0.2 m."""
    sodium = Case.read(OPEN).water.composition["Na+"]
    assert sodium.shape == (6, 4, 5)
    assert sodium[2, 1] == pytest.approx([1.05, 1.15, 0.5 * 1.25 + 10, 20, 20], rel=1e-14)


def test_region_holds_only_its_own_components(tmp_path):
    """A region with another salt: none of the old one is left, none of the new one outside."""
    case = copy(tmp_path, OPEN, ('"Na+" = "20 mmol/l", "Cl-"', '"H+" = "20 mmol/l", "Cl-"'))
    water = Case.read(case).water.composition
    assert water["Na+"][0, 0, 3:] == pytest.approx(0.0, abs=0.0)
    assert water["H+"][0, 0] == pytest.approx([0, 0, 10, 20, 20], abs=0.0)


def test_moles_of_a_region_do_not_depend_on_the_grid():
    """10 mol/m3 in a box of 0.07 x 0.31 x 1.3 m and 2 in the rest of 1 m3, spacings from the whole
    block to 1/40: 10 x 0.02821 + 2 x 0.97179 mol."""
    box = ((0.11, 0.13, 0.05), (0.18, 0.44, 1.35))
    for n in (1, 3, 8, 40):
        grid = Grid((n, n, 2 * n), (0.5 / n, 1 / n, 1 / n))
        values = mixed(grid, {"a": 2.0}, [(box, {"a": 10.0})])["a"]
        assert values.sum() * grid.voxel_volume == pytest.approx(0.2821 + 1.94358, rel=1e-12)


def test_later_region_replaces_earlier_within_a_voxel(rng):
    """Two boxes that meet inside a voxel, at 40 % of it: 0.4 and 0.6, nothing is left between.

    For any boxes the shares add up to one, and a box that covers all leaves nothing.
    """
    grid = Grid((3, 1, 1), (1.0, 1.0, 1.0), (10.0, 0.0, 0.0))
    whole = ((9.0, -1.0, 0.0), (14.0, 2.0, 1.0))
    parts = shares(grid, [((10, 0, 0), (11.4, 1, 1)), ((11.4, 0, 0), (13, 1, 1))])
    assert parts[:, 0, 0] == pytest.approx(np.array([[0, 0, 0], [1, 0.4, 0], [0, 0.6, 1]]))
    assert (shares(grid, [((10, 0, 0), (11.4, 1, 1)), whole])[:2] == 0).all()
    grid = Grid((4, 5, 6), (0.3, 0.7, 0.1), (1.0, -2.0, 0.5))
    corners = grid.origin + rng.uniform(-0.2, 1.2, (7, 2, 3)) * grid.size
    boxes = [(tuple(c.min(0)), tuple(c.max(0))) for c in corners]
    parts = shares(grid, boxes)
    assert parts.shape == (8, 6, 5, 4) and parts.min() >= 0
    assert parts.sum(axis=0) == pytest.approx(1.0, rel=1e-14)
    low, high = (np.clip(c, grid.origin, np.add(grid.origin, grid.size)) for c in boxes[-1])
    assert parts[-1].sum() * grid.voxel_volume == pytest.approx(np.prod(high - low), rel=1e-12)


def test_region_edge_on_a_voxel_face_is_exact():
    """A step at 0.3 m on a grid of 0.1 m: 3 x 0.1 is not 0.3, yet no voxel takes 1e-16 of it."""
    grid = Grid((10, 1, 1), (0.1, 1.0, 1.0))
    values = mixed(grid, {"a": 1.0}, [((((0.3, 0, 0), (1, 1, 1))), {"b": 1.0})])
    assert (values["a"][0, 0] == [1] * 3 + [0] * 7).all()
    assert (values["b"][0, 0] == [0] * 3 + [1] * 7).all()


def test_inventory_sums_water_over_voxels():
    """Na: 1 + x mmol/l up to 0.25 m, 20 beyond, in water contents of 0.3 + y/10 (z < 1.5 m) or
    0.3 + x/10: summed here voxel by voxel of 10 l."""
    case, total = Case.read(OPEN), 0.0
    for z in (0.25, 0.75, 1.25, 1.75, 2.25, 2.75):
        for y in (0.1, 0.3, 0.5, 0.7):
            for x, c in ((0.05, 1.05), (0.15, 1.15), (0.25, 10.625), (0.35, 20), (0.45, 20)):
                total += 0.01 * c * (0.3 + 0.1 * (x if z > 1.5 else y))
    assert case.inventory()["Na+"] == pytest.approx((0.0, 0.0, total))


def test_prewetting_from_a_formula(tmp_path):
    """1 + z mmol/kg on 1500 kg/m3, 10 l a voxel: 20 voxels x 15 kg x sum(1 + z), z to 2.75 m."""
    case = copy(tmp_path, SMALL, ('"NH4+" = "22.5 meq/kg", "SO4-2" = "22.5 meq/kg"',
                                  '"NH4+" = { formula = "1 + z", unit = "meq/kg" }, '
                                  '"SO4-2" = { formula = "1 + z", unit = "meq/kg" }'))
    assert Case.read(case).inventory()["NH4+"][1] == pytest.approx(20 * 15e-3 * (6 + 9.0))


def test_alkaline_water_has_negative_acidity(tmp_path):
    """2 mmol/l NaOH in NaCl: less than no H+, and the charges balance; other ions stay positive."""
    alkaline = 'composition = { "Na+" = "3 mmol/l", "Cl-" = "1 mmol/l", "H+" = "-2 mmol/l" }'
    case = copy(tmp_path, OPEN, (WATER, alkaline))
    sides = f"side=[{{face='x-', head=0, {alkaline}}}]"
    case = Case.read(case, ["water.region=[]", sides])
    assert case.water.composition["H+"] == case.sides[0].composition["H+"] == -2.0


@pytest.mark.parametrize("new, key, message", [
    (WATER.replace("1 + x", "1 + x + max(z - 2, 0)", 1), "water.composition", "the ions do not "
     "balance: +0.25 eq/m3 in all at (0.05, 0.1, 2.25) m, the first of 40 voxels; add 0.25 eq/m3"),
    (WATER.replace("1 + x", "x - 1", 1), "water.composition.Na+",
     "the formula gives -0.95 mol/m3 at (0.05, 0.1, 0.25) m; it must be at least 0 mol/m3"),
    (WATER.replace("Na+", "Na"), "water.composition.Na", "unknown component; did you mean 'Na+'?"),
    (WATER.replace("mmol/l", "V", 1), "water.composition.Na+", "unit 'V' does not fit"),
])
def test_wrong_composition_is_refused_with_its_voxel(tmp_path, new, key, message):
    """Sodium in excess above 2 m: in the two upper layers, of 20 voxels each, 0.25 and 0.75."""
    told(copy(tmp_path, OPEN, (WATER, new)), key, message)


@pytest.mark.parametrize("old, new, key, message", [
    (BOX, 'box = [["60 cm", "0 m", "0 m"], ["1 m", "0.8 m", "3 m"]]', "water.region.0.box",
     "x from 0.6 to 1 m lies outside the block (0 to 0.5 m); move it"),
    (BOX, 'box = [["20 cm", "0 m", "0 m"], ["20 cm", "0.8 m", "3 m"]]', "water.region.0.box",
     "is a box without volume"),
    (BOX, "", "water.region.0.box", "is missing"),
    ('"Na+" = "20 mmol/l", "Cl-"', '"Na+" = "21 mmol/l", "Cl-"', "water.region.0.composition",
     "the ions do not balance: +1 eq/m3 in all; add 1 eq/m3 of anions"),
    ('"Na+" = "20 mmol/l", "Cl-"', '"Ma+" = "20 mmol/l", "Cl-"', "water.region.0.composition.Ma+",
     "unknown component; did you mean 'Na+'?"),
    (BOX, BOX + "\nweight = 3", "water.region.0.weight", "unknown key; known: box, composition"),
])
def test_wrong_region_is_refused(tmp_path, old, new, key, message):
    told(copy(tmp_path, OPEN, (old, new)), key, message)


# ---- a pH instead of an acidity --------------------------------------------------------------

SALTY = 'composition = { "Na+" = "2 mmol/l", "SO4-2" = "96.06 mg/l" }'


def stated(text):
    """An edit of the small case's water: what it says besides its amounts."""
    return SALTY, SALTY[:-2] + f", {text} }}"


def test_pH_sets_the_acidity_and_balance_closes_the_charge(tmp_path):
    """pH 4.5 with sulfate to adjust: neutral, and the water found again has that pH.

    2 mmol/l of Na take 1 mmol/l of SO4, and the acid of 0.03 mmol/l half of its own besides.
    """
    case = Case.read(copy(tmp_path, SMALL, stated('pH = 4.5, balance = "SO4-2"')))
    chem, water = case.chemistry, case.water.composition
    total = np.array([water.get(name, 0.0) for name in chem.components])
    assert abs(chem.charge @ total) < 1e-12
    result = EquilibriumSolver(chem).solve_numpy(total[:, None], np.ones(1))
    assert result.pH[0] == pytest.approx(4.5, abs=1e-9)
    assert 1.01 < water["SO4-2"] < 1.03 and water["Na+"] == pytest.approx(2.0)


def test_a_listed_amount_that_the_pH_does_not_allow_is_warned_of(tmp_path):
    """2 mmol/l of Na and 1 of SO4 at pH 2.5 take some 3 of SO4, as 3.3 mmol/l of H+ come with it.

    The 1 that is listed would be ignored in silence; at pH 4.5 it differs by less than 5 %.
    """
    case = copy(tmp_path, SMALL, stated('pH = 2.5, balance = "SO4-2"'))
    (line,) = Case.read(case).warnings
    assert "water.composition.balance: at pH 2.5 neutral water has" in line
    assert "mol/m3 of SO4-2, and the 1 that are listed are ignored" in line
    assert Case.read(case, ["water.composition.pH=4.5"]).warnings == ()


@pytest.mark.parametrize("text, key, message", [
    ("pH = 4.5", "pH", 'the ions do not balance'),
    ("pH = 15", "pH", "must be at least 0 and at most 14"),
    ('pH = "acid"', "pH", "it does not begin with a number"),
    ('balance = "SO4-2"', "", "needs a pH"),
    ('pH = 4.5, balance = "SO4"', "", None),
    ('pH = 4.5, balance = "SO3-2"', "", "did you mean"),
    ('pH = 4.5, balance = "H+"', "", "must be an ion other than H+"),
    ('pH = 4.5, "H+" = "1 mmol/l"', "", "both pH and an amount of H+"),
    ('pH = 2, balance = "Na+"', "", "which takes an anion"),
])
def test_wrong_pH_is_refused(tmp_path, text, key, message):
    case = copy(tmp_path, SMALL, stated(text))
    where = "water.composition" + f".{key}" * bool(key)
    if message is None:
        assert Case.read(case).water.composition["SO4-2"] > 0
    else:
        told(case, where, message)


def test_pH_requires_uniform_amounts_per_litre(tmp_path):
    """Prewetting is per kg of ore, and amounts that differ between voxels have no one pH."""
    told(copy(tmp_path / "a", SMALL, ('prewetting = { ', 'prewetting = { pH = 4, ')),
         "water.prewetting.pH", "needs amounts per litre")
    told(copy(tmp_path / "b", OPEN, ('"Cl-" = "20 mmol/l"', '"Cl-" = "20 mmol/l", pH = 4'),
              ), "water.region.0.composition.pH", "do not balance")


# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('"Na+" = "2 mmol/l"', '"Na+" = "2.2 mmol/l"', "water.composition",
     "the ions do not balance: +0.2 eq/m3 in all; add 0.2 eq/m3 of anions"),
    ('prewetting = { "NH4+" = "22.5', 'prewetting = { "NH5+" = "22.5', "water.prewetting.NH5+",
     "unknown component; did you mean 'NH4+'?"),
]


@pytest.mark.parametrize("old, new, key, message", WRONG,
                         ids=[f"{case[2]}-{n}" for n, case in enumerate(WRONG)])
def test_wrong_water_is_refused_with_line_and_key(tmp_path, old, new, key, message):
    told_with_line(tmp_path, old, new, key, message)
