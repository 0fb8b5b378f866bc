"""Rock types: their values in their voxels, those of [ore] elsewhere, and what is refused."""

import numpy as np
import pytest
from helpers.case_files import ROOT, copy, told
from helpers.hill import hill_case

from ekm3d import retention_curves as curves
from ekm3d.case.case import Case

SALT = ROOT / "tests" / "data" / "case_salt"


@pytest.fixture
def case(tmp_path):
    """6 x 3 x 4 voxels of 10 x 15 x 20 cm."""
    return copy(tmp_path, SALT)


def rock(name, low, high, text=""):
    return f"rocks.{name}={{ shape={{between=['{low} m', '{high} m']}}{', ' * bool(text)}{text} }}"


def test_a_type_changes_what_it_gives_and_nothing_else(case):
    """Two layers of four: the upper one gives porosity and, as a formula, permeability."""
    plain = Case.read(case).ore
    ore = Case.read(case, (rock("soil", 0.4, 0.8, "porosity=0.5, permeability={formula="
                                "'1e-6*(1+x)', unit='m/s'}"),)).ore
    assert (ore.porosity[2:] == 0.5).all() and np.array_equal(ore.porosity[:2], plain.porosity[:2])
    x = Case.read(case).grid.centres(2)
    assert np.allclose(ore.hydraulic_conductivity[2:], 1e-6 * (1 + x), rtol=1e-12)
    for name in ("density", "tortuosity", "dispersivity", "cec"):
        assert np.array_equal(getattr(ore, name), getattr(plain, name)), name


def test_a_voxel_takes_the_type_with_the_largest_share(case):
    """Types end at 0.33 m, in the second layer from 0.2 to 0.4 m: 65 and 35 % of it."""
    ore = Case.read(case, (rock("low", 0, 0.33, "porosity=0.43"),
                           rock("high", 0.33, 0.8, "porosity=0.5"))).ore
    assert [float(layer[0, 0]) for layer in ore.porosity] == [0.43, 0.43, 0.5, 0.5]
    bodies = {body.name: body for body in ore.ground.bodies}
    assert bodies["low"].volume == pytest.approx(0.33 * 0.27)
    assert bodies["low"].on_grid == pytest.approx(0.4 * 0.27)


def test_three_types_in_a_voxel_fill_it_together(case):
    """30, 40 and 30 %: none has half, the middle one is the largest, and together it is all."""
    ore = Case.read(case, (rock("a", 0, 0.26), rock("b", 0.26, 0.34, "porosity=0.5"),
                           rock("c", 0.34, 0.8))).ore
    assert ore.ground.masks["b"].sum(axis=0).tolist() == [[1] * 6] * 3
    assert (ore.porosity[1] == 0.5).all()


def test_types_that_fill_the_ore_may_give_all_of_a_property(case):
    text = (case / "case.toml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("porosity"))
    (case / "case.toml").write_text(text.replace(line + "\n", ""))
    low, high = rock("low", 0, 0.4, "porosity=0.44"), rock("high", 0.4, 0.8, "porosity=0.5")
    assert set(np.unique(Case.read(case, (low, high)).ore.porosity)) == {0.44, 0.5}
    told(case, "ore.porosity", "is missing in 36 voxels, the first at (0.05, 0.075, 0.5) m: rock "
         "types 'high' and ore of no type take it from here", low, rock("high", 0.4, 0.8))
    told(case, "ore.porosity", "is missing; write e.g. porosity = '0.45'")


def test_composition_and_inventory_of_a_type(case):
    """Own water in its voxels; an exchangeable ion that [ore] does not have is 0 elsewhere."""
    got = Case.read(case, (
        "chemistry.database=database.toml",
        'ore.exchangeable={LREE="500 mg/kg"}',
        rock("rich", 0.4, 0.8, 'exchangeable={LREE="900 mg/kg", K="35 mg/kg"}, '
             'composition={"Na+"="7 mmol/l", "SO4-2"="3.5 mmol/l"}')))
    lree, k = got.ore.exchangeable["LREE+3"], got.ore.exchangeable["K+"]
    assert np.allclose(lree[2:] / lree[:2], 9 / 5) and not k[:2].any() and (k[2:] > 0).all()
    assert np.allclose(got.water.composition["Na+"][2:], 7.0)
    assert not np.allclose(got.water.composition["Na+"][:2], 7.0)


def test_a_type_has_its_own_retention_curve(tmp_path):
    got = Case.read(hill_case(tmp_path))
    soil, curve = got.ore.ground.masks["laterite"], got.ore.retention.curve
    rest = got.active & ~soil
    alpha, n, full = (curve[curves.PARAMETERS.index(key)] for key in ("alpha", "n", "saturated"))
    assert (alpha[soil] == 3).all() and (alpha[rest] == 2).all() and (n[soil] == 2.0).all()
    assert (full[soil] == 0.42).all() and (full[rest] == 0.45).all()
    assert (curve[curves.RESIDUAL][soil] == 0.05).all()


def test_types_that_overlap_are_refused_unless_an_order_is_given(case):
    low, high = rock("low", 0, 0.5, "porosity=0.44"), rock("high", 0.4, 0.8, "porosity=0.5")
    told(case, "rocks.high.shape", "overlaps rock type 'low' by 0.027 m3, as at (0.05, 0.075, 0.5)"
         " m; cut one at the other, or say which comes first: ore.rock_order", low, high)
    for order, there in ((["low", "high"], 0.44), (["high", "low"], 0.5)):
        ore = Case.read(case, (low, high, f"ore.rock_order={order}")).ore
        assert (ore.porosity[2] == there).all() and (ore.porosity[3] == 0.5).all()
    told(case, "ore.rock_order", "there is no [rocks.lw]; did you mean 'low'?", low,
         "ore.rock_order=['lw']")


def test_layers_whose_surfaces_cross_are_refused(case):
    told(case, "rocks.a.shape", "the surfaces cross: at (0.59, 0.015) m the lower one is at 0.413",
         "rocks.a={shape={between=[{formula='0.7*x'}, '0.3 m']}}")


@pytest.mark.parametrize("text, key, message", [
    ("rocks.a={porosity=0.4}", "rocks.a.shape", "is missing"),
    ("rocks.a={shape='hill'}", "rocks.a.shape", "there is no [shapes.hill]"),
    (rock("a", 0, 0.4, "porosty=0.4"), "rocks.a.porosty", "unknown key; did you mean 'porosity'?"),
    (rock("a", 0, 0.4, "porosity=1.4"), "rocks.a.porosity", "1.4"),
    (rock("a", 0, 0.4, "water_content=0.9"), "ore.water_content", "is above the porosity"),
    (rock("a", 0, 0.4, "retention={alpha='1 1/m'}"), "ore.retention", "is missing: rock types"),
    (rock("a", 0, 0.4, "composition={'Na+'='1 mmol/l'}"), "rocks.a.composition",
     "the ions do not balance")])
def test_a_wrong_type_is_told(case, text, key, message):
    told(case, key, message, text)


def test_a_type_without_a_voxel_is_warned_of(case):
    lines = Case.read(case, (rock("thin", 0.41, 0.45),)).warnings
    assert any("rocks.thin: no voxel of the grid belongs to it" in line for line in lines)


def test_water_that_the_curve_gave_is_missed_without_it(tmp_path):
    """`physics.unsaturated = false`: told that the water content followed from the curve."""
    case = hill_case(tmp_path)
    file = case / "case.toml"
    text = file.read_text()
    file.write_text(text.replace("water_content = 0.30\n", "", 1).replace(
        "[ore.retention]\n", '[ore.retention]\npressure_head = "-1 m"\n', 1))
    Case.read(case)
    told(case, "ore.water_content", "its retention curve gives it no more",
         "physics.unsaturated=false")


def test_a_curve_that_is_left_aside_is_checked(tmp_path):
    """`physics.unsaturated = false`: what is wrong in the curve is told all the same."""
    case = hill_case(tmp_path)
    off = ("physics.unsaturated=false", "boundary=[]")
    Case.read(case, off)
    told(case, "ore.retention.n", "must be above 1", *off, "ore.retention.n=0.9")
