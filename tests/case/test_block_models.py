"""Block models in a case: overlap with the grid, missing values, coverage, what was read and held.

The case: 4 x 2 x 1 voxels of 10 x 10 x 2 m over the four blocks of tests/data/ore_files, whose
lanthanum is 412.5, 388, none and 95 ppm, densities 1.52, 1.55, 1.60 and 1.71 t/m3.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.case_files import complaints

from ekm3d.case.case import Case

DATA = Path(__file__).resolve().parents[1] / "data" / "ore_files"
TEXT = """
[grid]
size = ["20 m", "20 m", "2 m"]
spacing = ["5 m", "10 m", "2 m"]
[[block_model]]
name = "resource"
file = "leapfrog.csv"
origin = ["250000 m", "4800000 m", "100 m"]
[ore]
density = { block_model = "resource", column = "Density", unit = "t/m3" }
porosity = 0.45
water_content = 0.4
tortuosity = 0.5
permeability = "1e-6 m/s"
[ore.exchangeable]
"La+3" = { block_model = "resource", column = "La_ppm", unit = "ppm", fill = "skip", outside = 0 }
[chemistry]
database = "package"
components = ["H+", "Na+", "La+3", "Cl-"]
minerals = []
[[schedule.stage]]
name = "rest"
duration = "1 h"
"""
LA = 138.9055e-3        # kg/mol
KEY = "ore.exchangeable.La+3"


@pytest.fixture
def case(tmp_path):
    shutil.copytree(DATA, tmp_path / "case")
    (tmp_path / "case" / "case.toml").write_text(TEXT)
    return tmp_path / "case"


def grades(read):
    """Lanthanum [mg/kg] (ny, nx) of the one layer."""
    return 1e6 * LA * (read.ore.exchangeable["La+3"] / read.ore.density)[0]


def la(**keys):
    """An override of the lanthanum with other keys."""
    given = {"block_model": "resource", "column": "La_ppm", "unit": "ppm"} | keys
    text = ", ".join(f"{k} = {v if isinstance(v, (int, float, list)) else repr(v)}"
                     for k, v in given.items())
    return f'ore.exchangeable."La+3"={{{text}}}'


def test_voxels_have_the_means_of_their_blocks(case):
    read = Case.read(case)
    assert read.ore.density[0] == pytest.approx(np.array([[1520, 1520, 1550, 1550],
                                                          [1600, 1600, 1710, 1710]]))
    assert grades(read) == pytest.approx(np.array([[412.5, 412.5, 388, 388], [0, 0, 95, 95]]),
                                         rel=1e-4)


@pytest.mark.parametrize("fill, value", [("nearest", 412.5), ("mean", (412.5 + 388 + 95) / 3),
                                         ("7 mg/kg", 7.0)])
def test_missing_values_are_filled_as_asked(case, fill, value):
    assert grades(Case.read(case, [la(fill=fill)]))[1, :2] == pytest.approx(value, rel=1e-4)


def test_grades_are_weighted_by_mass_and_densities_by_volume(case):
    """One voxel over all: 388 and 95 ppm in equal volumes of 1.55 and 1.71 t/m3, and 412.5."""
    read = Case.read(case, ["grid.spacing=['20 m', '20 m', '2 m']"])
    mass = np.array([1.52, 1.55, 1.71])
    assert grades(read)[0, 0] == pytest.approx(mass @ [412.5, 388, 95] / mass.sum(), rel=1e-4)
    assert read.ore.density[0, 0, 0] == pytest.approx(1000 * (mass.sum() + 1.60) / 4)


def test_what_was_read_stands_against_what_the_grid_holds(case):
    """Tonnes and metal by hand; with outside = 0 for the block without a value, nothing is made up.

    Conservation to 1e-12: sums of eight voxels.
    """
    read = {(r.name, r.unit): r for r in Case.read(case).readings}
    tonnes, metal = read["dry ore", "t"], read["La_ppm, metal", "kg"]
    assert tonnes.read == pytest.approx(200 * (1.52 + 1.55 + 1.60 + 1.71), rel=1e-12)
    assert metal.read == pytest.approx(
        0.2 * (1.52 * 412.5 + 1.55 * 388 + 1.71 * 95), rel=1e-3)
    for r in (tonnes, metal, read["volume in the block", "m3"], read["Density, mean", "kg/m3"]):
        assert r.held == pytest.approx(r.read, rel=1e-12) and abs(r.difference) < 1e-9
    told = Case.read(case)
    assert not told.warnings
    assert "block model resource" in told.describe() and "+0.00 %" in told.describe()


@pytest.mark.parametrize("fill", ["nearest", "7 mg/kg"])
def test_grades_are_compared_where_blocks_have_one(case, fill):
    """The fourth block has no value: the grade of the others is read, and held, whatever fills it.

    Of all ore it would be up to 25 % less. Conservation to 1e-12; the note has the share of volume.
    """
    read = Case.read(case, [la(fill=fill)])
    (grade,) = [r for r in read.readings if r.name == "La_ppm, grade"]
    mass = np.array([1.52, 1.55, 1.71])
    assert grade.read == pytest.approx(mass @ [412.5, 388, 95] / mass.sum(), rel=1e-4)
    assert grade.held == pytest.approx(grade.read, rel=1e-12)
    assert "La_ppm: 75 % of the blocks' volume has a value" in read.describe()


def test_a_difference_above_one_per_cent_is_warned_of(case):
    """Filling the fourth block from its neighbour adds 1.60 t/m3 x 412.5 ppm of 200 m3: +46 %."""
    read = Case.read(case, [la(fill="nearest")])
    assert len(read.warnings) == 1
    share = 1.60 * 412.5 / (1.52 * 412.5 + 1.55 * 388 + 1.71 * 95)
    assert "La_ppm, metal: the grid holds" in read.warnings[0]
    assert f"+{100 * share:.2f} %" in read.warnings[0]


def test_sub_blocks_and_another_grid_hold_the_same_metal(case):
    """Datamine's sub-blocks on voxels of 20/7 x 20/3 x 2/3 m: metal of the regular model, 1e-12."""
    one = Case.read(case, [la(fill=0)]).readings
    other = Case.read(case, [
        "block_model.0.file=datamine.csv", "block_model.0.missing=['-']",
        "grid.size=['20 m', '20 m', '2 m']", "grid.spacing=['2.857142857142857 m', "
        "'6.666666666666667 m', '0.6666666666666666 m']", la(column="LA", fill=0),
        "ore.density={block_model = 'resource', column = 'DENSITY', unit = 't/m3'}"]).readings
    held = [next(r for r in found if r.unit == "kg") for found in (one, other)]
    assert held[1].held == pytest.approx(held[1].read, rel=1e-12)
    assert held[1].read == pytest.approx(held[0].read, rel=1e-12)


def test_rotated_case_sees_the_model_turned(case):
    """The case's x axis along y of the file: its first voxels hold the blocks of high x."""
    read = Case.read(case, ["block_model.0.rotation=90.0",
                            "block_model.0.origin=['250020 m', '4800000 m', '100 m']"])
    assert read.ore.density[0] == pytest.approx(np.array([[1550, 1550, 1710, 1710],
                                                          [1520, 1520, 1600, 1600]]))


REAL = ["block_model.0.coordinates=real", "block_model.0.origin=['0 m', '0 m', '0 m']"]


@pytest.mark.parametrize("turn, place, expected", [
    (0, "['250000 m', '4800000 m', '100 m']", [[1520, 1520, 1550, 1550], [1600, 1600, 1710, 1710]]),
    (90, "['250020 m', '4800000 m', '100 m']",
     [[1550, 1550, 1710, 1710], [1520, 1520, 1600, 1600]]),
    (30, "['250000 m', '4800000 m', '100 m']", [[1520, 1520, 1550, 1550], [1600, 1600, 1710, 1710]])
])
def test_real_coordinates_are_placed_by_the_grid(case, turn, place, expected):
    """As with an origin; a model that is turned by 30 degrees with the grid lies along its axes.

    There the file's centres are turned about the lower corner of the block by hand.
    """
    more = [*REAL, f"grid.real_origin={place}", f"grid.rotation={turn}", "grid.origin=['-3 m', "
            "'7 m', '1 m']"]
    if turn == 30:
        lines = (case / "leapfrog.csv").read_text().splitlines()
        head = next(n for n, line in enumerate(lines) if line.startswith('"X"'))
        corner, angle = np.array([250000.0, 4800000.0]), np.radians(30.0)
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for n, line in enumerate(lines[head + 1:], head + 1):
            x, y, *rest = line.split(",")
            at = corner + turned @ (np.array([float(x), float(y)]) - corner)
            lines[n] = ",".join([*map(repr, at.tolist()), *rest])
        (case / "leapfrog.csv").write_text("\n".join(lines))
        more.append("block_model.0.rotation=30.0")
    assert Case.read(case, more).ore.density[0] == pytest.approx(np.array(expected, float))


def test_blocks_that_are_not_cubes_keep_their_sides_in_a_turned_grid(case):
    """Two blocks of 20 x 10 m, one north of the other: seen along x by a grid that is turned."""
    (case / "b.csv").write_text("x,y,z,dx,dy,dz,rho\n10,5,1,20,10,2,1500\n10,15,1,20,10,2,1600\n")
    read = Case.read(case, [
        *REAL, "block_model.0.file=b.csv", "grid.real_origin=['20 m', '0 m', '0 m']",
        "grid.rotation=90", "ore.exchangeable={}",
        "ore.density={block_model = 'resource', column = 'rho', unit = 'kg/m3'}"])
    assert read.ore.density[0].tolist() == [[1500, 1500, 1600, 1600]] * 2


@pytest.mark.parametrize("overrides, key, message", [
    (["block_model.0.coordinates=real"], "block_model.0.origin", "leave it out beside coordinates"),
    ([*REAL, "grid.rotation=30"], "block_model.0.rotation", "turned by 0 degrees in real space and "
     "the grid by 30"),
    ([*REAL, "grid.real_origin=['0 m', '0 m', '0 m']"], "block_model.0.file", "grid.real_origin "
     "and grid.rotation tell where"),
    ([la()], KEY, "leapfrog.csv:10: La_ppm is missing, as in 1 of 4 blocks in the grid; add fill"),
    ([la(fill="closest")], KEY, "fill should be 'nearest', 'mean', 'skip' or a value"),
    ([la(column="La")], KEY, "leapfrog.csv has no column 'La'; known: X, Y, Z"),
    ([la(unit="m")], KEY, "unit 'm' does not fit"),
    ([la(block_model="resourse")], KEY, "there is no block model 'resourse'; did you mean"),
    (["block_model.0.file=vulcan.csv", la(column="la"), "ore.density='1500 kg/m3'"], KEY,
     "add it to missing = [-99]"),
    (["block_model.0.file=no.csv"], "block_model.0.file", "there is no file 'no.csv'"),
    (["block_model.0.origin=['0 m', '0 m', '0 m']"], "block_model.0.file", "no block lies in it"),
    (["block_model.0.dx=La_ppm"], "block_model.0.file", "La_ppm is missing; every block"),
    (["block_model.0.size='12 m'", "block_model.0.file=german.csv", "block_model.0.x=Ost",
      "block_model.0.y=Nord", "block_model.0.z=Hoehe", "block_model.0.dialect=excel-de"],
     "block_model.0.file", "german.csv: blocks overlap one another"),
    (["block_model.0.fil='x'"], "block_model.0.fil", "unknown key; did you mean 'fill'?")])
def test_wrong_models_are_refused_by_key(case, overrides, key, message):
    lines = complaints(case, *overrides)
    assert any(f" {key}: " in line and message in line for line in lines), "\n".join(lines)


def test_a_model_that_does_not_cover_the_ore_is_told_once(case):
    """Moved by 5 m: two of eight voxels are bare, for both columns; one message."""
    lines = complaints(case, "block_model.0.origin=['249995 m', '4800000 m', '100 m']",
                       la(fill="skip"))
    assert len(lines) == 1
    assert "block model 'resource' does not cover the ore: 2 of 8 voxels, the first at (2.5, 5, " \
        in lines[0] and 'outside = "nearest"' in lines[0]
    line, = complaints(case, *REAL, "grid.real_origin=['249995 m', '4800000 m', '100 m']",
                       la(fill="skip"))
    assert "move it (grid.real_origin and grid.rotation)" in line
    read = Case.read(case, ["block_model.0.origin=['249995 m', '4800000 m', '100 m']",
                            "block_model.0.outside=nearest", la(fill="mean")])
    assert read.ore.density[0, 0] == pytest.approx([1520, 1520, 1520, 1550])
    assert any("volume in the block" in line for line in read.warnings)


def test_rock_types_are_categories_and_shares(case):
    """Half of the first three voxels' row moved: the type of most volume, and the share of one."""
    read = Case.read(case)
    assert read.readings
    from ekm3d.case.block_models import BlockModels
    from ekm3d.case.problems import Problems
    from ekm3d.case.schema_ore_files import BlockModelEntry
    from ekm3d.grid.grid import Grid
    from ekm3d.regular_file import Folders

    entry = BlockModelEntry.model_validate({
        "name": "r", "file": "leapfrog.csv", "origin": ["250000 m", "4800000 m", "100 m"]})
    grid = Grid((1, 3, 1), (20.0, 20 / 3, 2.0))
    model = BlockModels([entry], grid, Folders(case), Problems()).model("r")
    assert model.categories("Lithology", ["SAP", "LAT"])[0, :, 0].tolist() == [1, 0, 0]
    assert model.share_of("Lithology", ["LAT"])[0, :, 0] == pytest.approx([1, 0.5, 0])
    assert model.mask().all()
    with pytest.raises(ValueError, match="no block in the grid has 'LATT' in 'Lithology'; did you"):
        model.share_of("Lithology", ["LATT"])
    with pytest.raises(ValueError, match="leapfrog.csv:10: Lithology is 'SAP'; known: LAT"):
        model.categories("Lithology", ["LAT"])


def test_drill_holes_and_samples_give_values_of_a_case(case):
    """Composites, log-ratios of two parts, kriged; a realisation differs, and is the same twice."""
    pytest.importorskip("gstools", reason="pip install 'ekm3d[geo]'")
    text = (case / "case.toml").read_text()
    (case / "case.toml").write_text(text[:text.index("[ore]")] + """
[[drill_holes]]
name = "holes"
collar = "collar.csv"
survey = "survey.csv"
intervals = "assay.csv"
composite = "0.5 m"
origin = ["250000 m", "4800000 m", "100 m"]
""" + text[text.index("[ore]"):])
    source = ('ore.exchangeable."La+3"={drill_holes = "holes", column = "LA", unit = "ppm", '
              'parts = ["LA", "Y"], variogram = {range = ["20 m", "20 m", "2 m"]}}')
    one = grades(Case.read(case, [source]))
    assert (one > 0).all() and one.min() > 50 and one.max() < 500
    drawn = [grades(Case.read(case, [source, f"ore.realisation={n}"])) for n in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert abs(drawn[2] / drawn[0] - 1).max() > 0.01
    # A voxel's centre on a finer grid: the same place, the same value.
    fine = Case.read(case, [source, "ore.realisation=1", "grid.spacing=['1 m', '2 m', '2 m']"])
    assert grades(fine)[2::5, 2::5] == pytest.approx(drawn[0], rel=1e-12)
    note = Case.read(case, [source, "ore.realisation=2"]).describe()
    assert "realisation 2; spherical, range 20 x 20 x 2 m" in note


def test_rock_types_follow_a_column_of_the_model(case):
    """LAT fills the first row of voxels, SAP the second; permeability by rock type."""
    text = (case / "case.toml").read_text()
    (case / "case.toml").write_text(text + """
[rocks.saprolite]
shape = { blocks = { model = "resource", column = "Lithology", equals = ["SAP"] } }
permeability = "1e-8 m/s"
""")
    found = Case.read(case).ore.hydraulic_conductivity[0]
    assert found[0] == pytest.approx(1e-6) and found[1] == pytest.approx(1e-8)
    lines = complaints(case, "rocks.saprolite.shape={blocks = {model = 'resource', "
                       "column = 'Lithology', equals = ['SAPP']}}")
    assert any("no block in the grid has 'SAPP' in 'Lithology'; did you" in line for line in lines)


def test_ore_outside_of_the_blocks_takes_no_part(case):
    """The block reaches 5 m beyond the model: with its coverage as ore.active nothing is missing.
    """
    moved = "block_model.0.origin=['249995 m', '4800000 m', '100 m']"
    read = Case.read(case, [moved, "ore.active={blocks = {model = 'resource'}}", la(fill="skip",
                                                                                 outside=0)])
    assert read.ore.ground.active[0].tolist() == [[False, True, True, True]] * 2
    volume = next(r for r in read.readings if r.name == "volume in the block")
    assert volume.held == pytest.approx(volume.read) and volume.read == pytest.approx(600.0)


def test_places_that_are_rounded_are_no_overlap(case):
    """A model in a turned case: centres to the millimetre overlap by as much, 1e-4 of a block.

    Faces that are as near become one; a block that is 5 cm too near is refused.
    """
    angle = np.radians(25.0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    head = "X,Y,Z,dX,dY,dZ,La_ppm,Density,Lithology\n"

    def written(shift):
        centres = np.arange(2.5, 20, 5)
        rows = [(x + shift * (x > 10), y) for y in centres for x in centres]
        places = np.array(rows) @ turn + [250000.0, 4800000.0]
        (case / "leapfrog.csv").write_text(head + "".join(
            f"{x:.3f},{y:.3f},101,5,5,2,{100 + n},1.5,LAT\n"
            for n, (x, y) in enumerate(places)))

    written(0.0)
    read = Case.read(case, ["block_model.0.rotation=25"])
    assert grades(read)[0] == pytest.approx([102.0, 103.0, 104.0, 105.0], rel=1e-4)
    volume = next(r for r in read.readings if r.name == "volume in the block")
    assert volume.read == pytest.approx(800.0, rel=1e-4)
    written(-0.05)
    (line,) = complaints(case, "block_model.0.rotation=25")
    assert "leapfrog.csv: blocks overlap one another, the first at" in line


def test_what_the_grid_holds_of_samples_is_that_of_the_ore(case):
    """Half of the block is air: the mean of the voxels there does not count."""
    (case / "points.csv").write_text("x_m,y_m,z_m,La_mg_per_kg\n2.5,5,1,100\n17.5,5,1,300\n")
    source = 'ore.exchangeable."La+3"={samples = "points.csv", column = "La_mg_per_kg"}'
    half = "ore.active={box = [['0 m', '0 m', '0 m'], ['10 m', '20 m', '2 m']]}"
    held = [next(r.held for r in Case.read(case, [source, *more]).readings
                 if r.source == "samples points.csv") for more in ((), (half,))]
    assert held[0] == pytest.approx(200.0) and held[1] < 150.0


def test_a_wrong_file_of_drill_holes_is_told_by_its_key(case):
    text = (case / "case.toml").read_text()
    (case / "case.toml").write_text(text.replace("[ore]", """[[drill_holes]]
name = "holes"
collar = "collar.csv"
survey = "survey.csv"
intervals = "assay.csv"
[ore]"""))
    (case / "survey.csv").write_text("BHID,AT,TOWARDS,DIP\nDH1,0,0,90\n")
    source = 'ore.exchangeable."La+3"={drill_holes="holes",column="LA",unit="ppm"}'
    (line,) = complaints(case, source)
    assert "drill_holes.0.survey: survey.csv: no line names the columns" in line


@pytest.mark.parametrize("place, keys", [
    ("", 'origin and rotation, or coordinates = "real", tell'),
    ('coordinates = "real"\n', "grid.real_origin and grid.rotation tell")])
def test_holes_in_other_coordinates_than_the_case_are_told_once(case, place, keys):
    """Two quantities from holes at (250 000, 4 800 000) m, the block at 0: one message."""
    text = (case / "case.toml").read_text()
    (case / "case.toml").write_text(text.replace("[ore]", f"""[[drill_holes]]
name = "holes"
collar = "collar.csv"
survey = "survey.csv"
intervals = "assay.csv"
{place}[ore]"""))
    grade = 'ore.exchangeable."{}+3"={{drill_holes="holes",column="LA",unit="ppm"}}'
    (line,) = complaints(case, grade.format("La"), grade.format("Y"),
                         'chemistry.components=["H+", "Na+", "La+3", "Y+3", "Cl-"]')
    assert "drill_holes.0.collar: the samples reach over x 250" in line and keys in line
