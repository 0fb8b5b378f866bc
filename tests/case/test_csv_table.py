"""CSV tables of voxel values: order of the rows, units of the columns, mistakes with their line."""

import numpy as np
import pytest
from helpers.case_files import SMALL, complaints, copy

from ekm3d.case.case import Case
from ekm3d.grid.grid import Grid

LREE = 'LREE = "142 mg/kg"'
POROSITY = "porosity = 0.45"
TABLE = (POROSITY, 'porosity = { table = "voxels.csv", column = "porosity_percent" }')


def voxel_table(shuffle=None, lines=120, change=None):
    """Return CSV text with one row per voxel of the small case; porosity 40 % + 0.01 % x number."""
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


def test_rows_of_a_table_in_any_order(tmp_path, rng):
    """Row n is voxel n in [k, j, i] order, x fastest: 0.40 + 0.0001 n."""
    expected = (0.4 + 1e-4 * np.arange(120)).reshape(6, 4, 5)
    for name, text in (("a", voxel_table()), ("b", voxel_table(rng))):
        case = copy(tmp_path / name, SMALL, TABLE, ('"42 %"', "0.4"), voxels=text)
        assert Case.read(case).ore.porosity == pytest.approx(expected, rel=1e-12)


def test_amounts_from_a_table(tmp_path):
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
    (dict(change=(7, 2, "9e5")), "voxels.csv:9: (0.25, 0.3, 900000) m is not the centre"),
    (dict(change=(7, 2, "1e300")), "voxels.csv:9: z is 1e300; it must be at least -1e+06 m"),
    (dict(change=(7, 0, "0.35")), "voxels.csv:10: (0.35, 0.3, 0.25) m is the voxel of line 9 ag"),
    (dict(lines=118), "voxels.csv misses 2 of 120 voxels, the first at (0.35, 0.7, 2.75) m"),
    (dict(change=(7, 3, "44,1")), "voxels.csv:9: 6 values under 5 columns"),
])
def test_wrong_table_is_refused_with_its_first_wrong_line(tmp_path, options, message):
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
def test_wrong_source_is_refused(tmp_path, source, message):
    case = copy(tmp_path, SMALL, (POROSITY, f"porosity = {source}"), voxels=voxel_table(),
                bad="x,x\n1,2\n")
    assert message in "\n".join(complaints(case))


def test_column_of_amounts_requires_a_unit(tmp_path):
    case = copy(tmp_path, SMALL, (LREE, 'Al = { table = "voxels.csv", column = "Al" }'),
                voxels=voxel_table())
    assert "the unit of column 'Al' is not known; add unit = " in complaints(case)[0]


# ---- signs of other countries ------------------------------------------------------------------

GERMAN = ('porosity = { table = "voxels.csv", column = "porosity_percent", %s }')


def german(text):
    """The table with semicolons and decimal commas."""
    return text.replace(",", ";").replace(".", ",")


@pytest.mark.parametrize("keys, change", [
    ('dialect = "excel-de"', german), ('separator = ";", decimal = ","', german),
    ('decimal = ","', lambda t: "sep=;\n" + german(t)),
    ('dialect = "excel-tab"', lambda t: t.replace(",", "\t")),
    ('dialect = "excel-tab", decimal = ","', lambda t: t.replace(",", "\t").replace(".", ",")),
    ('separator = "tab"', lambda t: t.replace(",", "\t"))])
def test_signs_of_a_table_are_those_the_case_says(tmp_path, keys, change):
    """The same porosity, 0.40 + 0.0001 n, however it is written."""
    case = copy(tmp_path, SMALL, (POROSITY, GERMAN % keys), ('"42 %"', "0.4"),
                voxels=change(voxel_table()))
    assert Case.read(case).ore.porosity.ravel() == pytest.approx(0.4 + 1e-4 * np.arange(120))


@pytest.mark.parametrize("keys, change, message", [
    ("", german, 'voxels.csv:1: the cells seem to be separated by semicolons, not by commas; '
                 'where the file is named, dialect = "excel-de"'),
    ("", lambda t: t.replace(",", "\t"), 'separated by tabs, not by commas'),
    ('dialect = "excel-de"', lambda t: t,
     "separated by commas, not by semicolons; where the file is named, leave out dialect"),
    ('separator = ";"', german, "is '40,00', which is not a number; the decimal sign"),
    ('dialect = "excel-de"', lambda t: t.replace(",", ";"), "'40.00', which is not a number; the"),
    ('separator = ",", decimal = ","', german, "cannot both separate the cells"),
    ("", lambda t: t.replace("40.01", "4_0"), "is '4_0', which is not a number")])
def test_signs_that_are_not_those_of_the_file_are_told(tmp_path, keys, change, message):
    """Never another number: 1.234 is 1234 in one country and 1.234 in another."""
    source = (GERMAN % keys).replace(",  }", " }")
    case = copy(tmp_path, SMALL, (POROSITY, source), ('"42 %"', "0.4"),
                voxels=change(voxel_table()))
    assert message in "\n".join(complaints(case))


def test_sampling_points_with_semicolons(tmp_path):
    case = copy(tmp_path, SMALL, points="name;x;y;z\nP 1;0,15;0,3;1,25\n")
    (point,) = Case.read(case, ['sampling={file="points.csv", dialect="excel-de"}']).sampling
    assert point.position == (0.15, 0.3, 1.25)
