"""The ore body: constants, layers, tables and samples on the grid, and the inventory they make."""

import csv

import numpy as np
import pytest
from helpers.case_files import FIELD, ROOT, SMALL, complaints, copy, told

from ekm3d.case.case import Case
from ekm3d.case.voxel_values import interpolated, layered
from ekm3d.grid.grid import Grid
from ekm3d.grid.rasterise import rasterise

LREE = 'LREE = "142 mg/kg"'
POROSITY = "porosity = 0.45"


def voxel_table(shuffle=None, lines=120, change=None):
    """CSV text with one row per voxel of the small case; porosity 40 % + 0.01 % x number."""
    grid = Grid((5, 4, 6), (0.1, 0.2, 0.5))
    places = [(x, y, z) for z in grid.centres(0) for y in grid.centres(1) for x in grid.centres(2)]
    rows = [[f"{x:.6g}", f"{y:.6g}", f"{z:.6g}", f"{40 + 0.01 * n:.2f}", f"{n}"]
            for n, (x, y, z) in enumerate(places)]
    if change:
        line, column, value = change
        rows[line][column] = value
    if shuffle:
        shuffle.shuffle(rows)
    return "x,y,z,porosity_percent,Al\n" + "".join(",".join(r) + "\n" for r in rows[:lines])


def test_an_inventory_per_kg_becomes_moles_per_volume(tmp_path):
    """1500 kg/m3: 142 mg/kg LREE (142 g/mol) is 1.5 mol/m3, 10 meq/kg Ca 7.5 mol/m3.

    CEC = 3 x 1.5 + 2 x 7.5 + 4.5 = 24 eq/m3; 6 meq/kg per pH unit is 9 eq/m3.
    """
    ore = Case.read(copy(tmp_path)).ore
    assert {k: v.ravel()[0] for k, v in ore.exchangeable.items()} == pytest.approx(
        {"LREE+3": 1.5, "Ca+2": 7.5, "Na+": 4.5})
    assert ore.cec == pytest.approx(24.0) and ore.cec_slope == pytest.approx(9.0)
    assert ore.minerals["Al(OH)3"] == pytest.approx(300.0) and ore.reference_pH == 5.3
    for values in (ore.density, ore.hydraulic_conductivity, ore.cec, ore.minerals["Al(OH)3"]):
        assert values.shape == (6, 4, 5) and values.dtype == np.float64


def test_a_given_cec_leaves_the_rest_of_the_sites_to_protons(tmp_path):
    """20 meq/kg on 1500 kg/m3 is 30 eq/m3, 6 more than the inventory of 24; see OreBody."""
    ore = Case.read(copy(tmp_path), ["chemistry.exchanger.cec=20 meq/kg"]).ore
    assert ore.cec == pytest.approx(30.0)


@pytest.mark.parametrize("spacing", ["5 cm", "10 cm", "12.5 cm", "25 cm"])
def test_constants_weigh_the_same_on_every_grid(tmp_path, spacing):
    """400 mg/kg Al on 9000 kg: 3.6 kg = 133.43 mol; rounding is all that may differ."""
    case = Case.read(copy(tmp_path, FIELD), [f"grid.spacing={spacing}"])
    assert case.inventory()["Al+3"][0] == pytest.approx(3.6 / 26.98e-3, rel=1e-12)


# --- layers ---------------------------------------------------------------------------------

def test_layers_are_shared_by_thickness():
    """A voxel from 0.5 to 1 m across a border at 0.7 m holds 0.4 of the lower layer, 0.6 of the
    upper one, so that the sum over the block is that of the layers on any grid."""
    grid = Grid((2, 1, 6), (0.1, 0.2, 0.5))
    values = layered(grid, [(0.7, 3.0, 10.0), (0.0, 0.7, 20.0)])
    assert values.shape == (6, 1, 2)
    assert values[:, 0, 1] == pytest.approx([20.0, 14.0, 10.0, 10.0, 10.0, 10.0])
    assert values.mean() == pytest.approx((0.7 * 20 + 2.3 * 10) / 3)


def test_layers_count_from_the_bottom_of_the_block(tmp_path):
    """Heights above the bottom, in any order, wherever the block's corner lies."""
    high = Grid((2, 1, 6), (0.1, 0.2, 0.5), (5.0, 7.0, 310.0))
    assert layered(high, [(0.0, 1.5, 1.0), (1.5, 3.0, 2.0)])[:, 0, 0] == \
        pytest.approx([1.0] * 3 + [2.0] * 3)
    case = copy(tmp_path, SMALL, (POROSITY, 'porosity = { layers = [\n{ bottom = "1.5 m", top = '
                                  '"3 m", value = "50 %" },\n{ bottom = 0, top = "150 cm", value = '
                                  '0.45 } ] }'))
    assert Case.read(case).ore.porosity[:, 0, 0] == pytest.approx([0.45] * 3 + [0.5] * 3)


@pytest.mark.parametrize("layers, message", [
    ("{ bottom = 0, top = 1, value = 0.5 }, { bottom = 1.2, top = 3, value = 0.5 }",
     "a gap between 1 and 1.2 m"),
    ("{ bottom = 0, top = 1.2, value = 0.5 }, { bottom = 1, top = 3, value = 0.5 }",
     "an overlap between 1 and 1.2 m"),
    ("{ bottom = 0, top = 2, value = 0.5 }", "the layers end at 2 m but the block is 3 m high"),
    ("{ bottom = 0.1, top = 3, value = 0.5 }", "a gap between 0 and 0.1 m"),
    ("{ bottom = 3, top = 0, value = 0.5 }", "must lie above its bottom"),
    ("{ bottom = 0, top = 3, value = 1.5 }", "ore.porosity.layers.0.value: 1.5 is out of range"),
    ("{ bottom = 0, top = 3, valeu = 0.5 }", "unknown key; did you mean 'value'?"),
    ("", "the layers end at 0 m"),
])
def test_layers_must_fill_the_block(tmp_path, layers, message):
    case = copy(tmp_path, SMALL, (POROSITY, f"porosity = {{ layers = [{layers}] }}"))
    assert message in "\n".join(complaints(case))


# --- tables ---------------------------------------------------------------------------------

TABLE = (POROSITY, 'porosity = { table = "voxels.csv", column = "porosity_percent" }')


def test_a_table_may_come_in_any_order(tmp_path, rng):
    """Row n is voxel n in [k, j, i] order, x fastest: 0.40 + 0.0001 n."""
    expected = (0.4 + 1e-4 * np.arange(120)).reshape(6, 4, 5)
    for name, text in (("a", voxel_table()), ("b", voxel_table(rng))):
        case = copy(tmp_path / name, SMALL, TABLE, ('"42 %"', "0.4"), voxels=text)
        assert Case.read(case).ore.porosity == pytest.approx(expected, rel=1e-12)


def test_a_table_gives_amounts_too(tmp_path):
    """n mg/kg of Al in voxel n: 119 x 120 / 2 mg/kg on 15 kg of ore per voxel, 26.98 g/mol."""
    case = copy(tmp_path, SMALL, (LREE, 'Al = { table = "voxels.csv", column = "Al", '
                                  'unit = "mg/kg" }'), voxels=voxel_table())
    case = Case.read(case)
    assert case.inventory()["Al+3"][0] == pytest.approx(7140e-6 * 15 / 26.98e-3)
    assert case.ore.cec[5, 3, 4] == pytest.approx(3 * 119e-6 / 26.98e-3 * 1500 + 19.5)


@pytest.mark.parametrize("options, message", [
    (dict(change=(7, 3, "-1")), "voxels.csv:9: porosity_percent is -1; it must be above 0"),
    (dict(change=(7, 3, "nan")), "voxels.csv:9: porosity_percent is nan; it must be a finite"),
    (dict(change=(7, 3, "")), "voxels.csv:9: porosity_percent is '', which is not a number"),
    (dict(change=(7, 3, "101")), "voxels.csv:9: porosity_percent is 101; it must be above 0 and a"),
    (dict(change=(7, 0, "0.26")), "voxels.csv:9: (0.26, 0.3, 0.25) m is not the centre of a voxel"),
    (dict(change=(7, 2, "1e300")), "voxels.csv:9: (0.25, 0.3, 1e+300) m is not the centre"),
    (dict(change=(7, 0, "0.35")), "voxels.csv:10: (0.35, 0.3, 0.25) m is the voxel of line 9 ag"),
    (dict(lines=118), "voxels.csv misses 2 of 120 voxels, the first at (0.35, 0.7, 2.75) m"),
    (dict(change=(7, 3, "44,1")), "voxels.csv:9: 6 values under 5 columns"),
])
def test_a_bad_table_is_refused_with_its_first_bad_line(tmp_path, options, message):
    """Line 9 is row 7 under a line of names. Nothing is filled in or clipped."""
    case = copy(tmp_path, SMALL, TABLE, voxels=voxel_table(**options))
    lines = complaints(case)
    assert "case.toml:10: ore.porosity: " + message in lines[0]


@pytest.mark.parametrize("source, message", [
    ('{ table = "voxels.csv", column = "porosity" }', "no column 'porosity'; did you mean 'poro"),
    ('{ table = "voxel.csv", column = "porosity" }', "there is no file 'voxel.csv'"),
    ('{ table = "voxels.csv", column = "porosity_percent", unit = "m" }', "unit 'm' does not fit"),
    ('{ table = "voxels.csv", column = "porosity_percent", unit = "ppm" }', "contradicts the"),
    ('{ table = "voxels.csv", samples = "voxels.csv", column = "x" }', "holds one of layers, t"),
    ('{ tabel = "voxels.csv" }', "holds one of layers, table, samples"),
    ('{ table = "voxels.csv" }', "ore.porosity.column: is missing"),
    ('{ table = "bad.csv", column = "x" }', "bad.csv:1: column 'x' appears twice"),
    ('{ table = ".", column = "x" }', "cannot read"),
])
def test_a_wrong_source_is_explained(tmp_path, source, message):
    case = copy(tmp_path, SMALL, (POROSITY, f"porosity = {source}"), voxels=voxel_table(),
                bad="x,x\n1,2\n")
    assert message in "\n".join(complaints(case))


def test_a_column_of_amounts_needs_its_unit(tmp_path):
    case = copy(tmp_path, SMALL, (LREE, 'Al = { table = "voxels.csv", column = "Al" }'),
                voxels=voxel_table())
    assert "the unit of column 'Al' is not known; add unit = " in complaints(case)[0]


# --- samples --------------------------------------------------------------------------------

def test_interpolation_is_exact_at_the_samples_and_bounded(rng):
    """24 log-normal samples; within 1e-9 at the samples, and nowhere outside their range.

    Between two samples on a line it is a straight line: |r| has no curvature in one dimension.
    """
    points, values = rng.uniform(0, 2, (24, 3)), rng.lognormal(6.0, 1.0, 24)
    assert interpolated(points, values, points) == pytest.approx(values, rel=1e-9)
    everywhere = interpolated(points, values, rng.uniform(-1, 3, (5000, 3)))
    assert everywhere.min() >= values.min() and everywhere.max() <= values.max()
    line = np.array([[0.0, 0, 0], [1.0, 0, 0], [3.0, 0, 0]])
    assert interpolated(line, np.array([1.0, 5.0, 2.0]), np.array([[0.25, 0, 0], [2.0, 0, 0]])) == \
        pytest.approx([2.0, 3.5])


def test_a_sample_at_a_voxel_centre_is_that_voxels_value(tmp_path):
    """Points A, B and C of points.csv lie at centres; 100, 400 and 250 mg/kg Al, 45, 46, 50 %."""
    case = copy(tmp_path, SMALL, (LREE, 'Al = { samples = "points.csv", column = "Al_mg_per_kg" }'),
                (POROSITY, 'porosity = { samples = "points.csv", column = "porosity_percent" }'))
    ore = Case.read(case).ore
    content = ore.exchangeable["Al+3"] * 26.98e-3 / 1500 * 1e6
    at = [(0, 1, 1), (2, 3, 3), (5, 0, 2)]
    assert [content[n] for n in at] == pytest.approx([100.0, 400.0, 250.0])
    assert [ore.porosity[n] for n in at] == pytest.approx([0.45, 0.46, 0.5])
    assert content.min() >= 100 - 1e-9 and content.max() <= 400 + 1e-9


@pytest.mark.parametrize("content, message", [
    ("x,y,z,Al\n0.1,0.1,1,5\n0.1,0.9,1,5\n",
     "extra.csv:3: the point (0.1, 0.9, 1) m lies outside the block (x 0 to 0.5, y 0 to 0.8"),
    ("x,y,z,Al\n0.1,0.1,1,5\n0.1,0.1,1,6\n", "extra.csv:2: another sample has the same place"),
    ("x,y,z,Al\n0.1,0.1,1,-5\n", "extra.csv:2: Al is -5; it must be at least 0 mol/kg"),
    ("x,y,z,Al\n", "extra.csv holds no data"),
])
def test_bad_samples(tmp_path, content, message):
    case = copy(tmp_path, SMALL, (LREE, 'Al = { samples = "extra.csv", column = "Al", '
                                  'unit = "mg/kg" }'), extra=content)
    assert message in complaints(case)[0]


# --- the field's samples ----------------------------------------------------------------------

def field_samples():
    """The numbers of cases/field_block/samples.csv: (24, 6) x, y, z, LREE, HREE, water."""
    text = (FIELD / "samples.csv").read_text().splitlines()
    rows = list(csv.reader(line for line in text if not line.startswith("#")))
    return np.array([row[1:] for row in rows[1:]], dtype=float)


def test_the_samples_honour_the_papers_means_and_trend():
    """24 points; 878 mg/kg REE and 14 % water to the printed tenth, LREE/HREE from 4 to 1."""
    rows = field_samples()
    assert rows.shape == (24, 6)
    assert rows[:, 3:5].sum() == pytest.approx(24 * 878.0, abs=1e-6)
    assert rows[:, 5].sum() == pytest.approx(24 * 14.0, abs=1e-6)
    ratio = rows[:, 3] / rows[:, 4]
    for low, high, expected in ((0.0, 0.5, 1.0), (1.5, 2.0, 4.0)):
        level = (rows[:, 2] > low) & (rows[:, 2] < high)
        assert level.sum() == 6 and ratio[level].mean() == pytest.approx(expected, rel=0.1)
    text = (FIELD / "samples.csv").read_text()
    assert "SYNTHETIC" in text and "positions and the scatter were made up" in text


def test_the_samples_are_written_reproducibly(tmp_path, monkeypatch):
    """The script gives the shipped file, letter by letter."""
    import runpy
    import sys

    monkeypatch.setattr(sys, "argv", ["make_samples.py", str(tmp_path / "again.csv")])
    runpy.run_path(str(ROOT / "scripts" / "tools" / "make_samples.py"), run_name="__main__")
    assert (tmp_path / "again.csv").read_text() == (FIELD / "samples.csv").read_text()


@pytest.mark.parametrize("spacing", ["5 cm", "10 cm", "12.5 cm", "25 cm"])
def test_the_field_ore_keeps_the_samples_mean_and_range(tmp_path, spacing):
    """The block's mean REE lies within 3 % of the samples' (they weigh 24 places, it weighs all);
    no sample or probe lies in metal, where there is no ore to look at."""
    case = Case.read(copy(tmp_path, FIELD), [f"grid.spacing={spacing}"])
    inventory, chem = case.inventory(), case.chemistry
    content = sum(inventory[c][0] * chem.molar_mass[chem.index(c)] for c in ("LREE+3", "HREE+3"))
    assert content / case.mass * 1e6 == pytest.approx(878, rel=0.03)
    light = case.ore.exchangeable["LREE+3"] * 0.142 / 1500 * 1e6
    assert light.min() >= field_samples()[:, 3].min() - 1e-9
    assert light.max() <= field_samples()[:, 3].max() + 1e-9
    metal = np.zeros(case.grid.shape, bool)
    for row in case.electrodes.rows:
        for box in row.boxes:
            metal[rasterise(box, case.grid)] = True
    for point in case.sampling + case.probes:
        assert not metal[case.grid.voxel_at(point.position)]


def test_a_mineral_may_be_given_by_its_mass(tmp_path):
    """780 mg/kg of Al(OH)3, 26.982 + 3 x (18.015 - 1.008) = 78.0 g/mol: 0.01 mol/kg."""
    case = copy(tmp_path, SMALL, ('"Al(OH)3" = "0.2 mol/kg"', '"Al(OH)3" = "780 mg/kg"'))
    ore = Case.read(case).ore
    assert ore.minerals["Al(OH)3"] / ore.density == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("given, message", [
    ({"cec": "60 meq/kg"}, "no exchange species of H+ takes part"),
    ({"cec": "60 meq/kg", "exchange": []}, "no exchange species of the chosen components"),
])
def test_a_capacity_needs_something_to_fill_it(tmp_path, given, message):
    """More sites than the inventory's charge, and nothing that protons could sit on."""
    chosen = given.get("exchange", ["LREEX3", "HREEX3", "AlX3", "CaX2", "KX", "NaX", "NH4X"])
    inventory = [] if chosen else ["ore.exchangeable={}"]
    told(copy(tmp_path), "chemistry.exchanger.cec", message,
         f"chemistry.exchange={chosen}", f"chemistry.exchanger.cec={given['cec']}",
         "chemistry.exchanger.variable_charge=0", *inventory)
