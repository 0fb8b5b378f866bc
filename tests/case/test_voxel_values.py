"""Sources of voxel values: layers, samples, formulas, .npy and HDF5 arrays."""

import h5py
import numpy as np
import pytest
from helpers.case_files import OPEN, SMALL, complaints, copy

from ekm3d.case.case import Case
from ekm3d.case.voxel_values import interpolated, layered
from ekm3d.grid.grid import Grid

SHAPE = (6, 4, 5)
LREE = 'LREE = "142 mg/kg"'
POROSITY = "porosity = 0.45"
NUMBERS = 1.0 + np.arange(120.0).reshape(SHAPE)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The small case with arrays beside it: 1 to 120 in order, and files that are wrong."""
    case = copy(tmp_path_factory.mktemp("small"))
    np.save(case / "n.npy", NUMBERS)
    np.save(case / "fortran.npy", np.asfortranarray(NUMBERS.astype(">f4")))
    np.save(case / "zero.npy", NUMBERS - 1)
    np.save(case / "flat.npy", NUMBERS.ravel())
    np.save(case / "text.npy", NUMBERS.astype(str))
    np.save(case / "flags.npy", NUMBERS > 3)
    np.save(case / "objects.npy", NUMBERS.astype(object), allow_pickle=True)
    np.savez(case / "many.npz", n=NUMBERS)
    (case / "many.npz").rename(case / "many.npy")
    (case / "empty.npy").write_bytes(b"")
    (case / "cut.npy").write_bytes((case / "n.npy").read_bytes()[:400])
    (case / "header.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': ((\n\n\n\n")
    (case / "no.h5").write_text("not HDF5")
    with h5py.File(case / "v.h5", "w") as file:
        file["rock/sigma"] = NUMBERS.astype(np.float32)
        file["rock/names"] = NUMBERS.astype("S3")
        file["few"] = NUMBERS[:3]
    return case


@pytest.mark.parametrize("source", [
    "{table='n.npy', unit='mS/m'}", "{table='fortran.npy', unit='mS/m'}",
    "{table='v.h5', dataset='rock/sigma', unit='mS/m'}",
    "{table='v.h5', dataset='/rock/sigma', unit='mS/m'}"])
def test_array_file_is_read_in_kji_order(small, source):
    """[k, j, i] in the file as in the program, whatever its number format; mS/m to S/m."""
    sigma = Case.read(small, [f"ore.conductivity={source}"]).ore.electric_conductivity
    assert sigma.dtype == np.float64 and sigma.flags.c_contiguous
    np.testing.assert_allclose(sigma, 1e-3 * NUMBERS, rtol=1e-15)


def test_amounts_from_arrays_and_formulas(small):
    """120 mg/kg of Al (26.98 g/mol) on 1500 kg/m3; a CEC of 0.1 + z eq/kg, z = 0.25 m lowest."""
    ore = Case.read(small, ["ore.exchangeable.Al={table='n.npy', unit='mg/kg'}",
                            "chemistry.exchanger.cec={formula='0.1 + z', unit='eq/kg'}"]).ore
    assert ore.exchangeable["Al+3"][5, 3, 4] == pytest.approx(120e-6 / 26.98e-3 * 1500)
    assert ore.cec[0, 2, 1] == pytest.approx(0.35 * 1500)


@pytest.mark.parametrize("source", ["{formula='0.4 + x/10'}", "{formula='40 + 10*x', unit='%'}"])
def test_formula_is_evaluated_at_voxel_centres(small, source):
    """x = 0.05, 0.15, ... m; a pure number needs no unit, and may have one."""
    ore = Case.read(small, [f"ore.porosity={source}", "ore.water_content=0.3"]).ore
    assert ore.porosity[3, 2] == pytest.approx([0.405, 0.415, 0.425, 0.435, 0.445])


def test_formula_coordinates_include_the_origin():
    """The block of the open case moved to x = 7 m, without electrodes and regions."""
    case = Case.read(OPEN, ["grid.origin=[7, 0, 0]", "water.region=[]", "electrodes.row=[]",
                            "schedule.stage=[{name='rest', duration=9}]", "ore.water_content=0.3"])
    assert case.water.composition["Na+"][0, 0] == pytest.approx([8.05, 8.15, 8.25, 8.35, 8.45])


@pytest.mark.parametrize("source, message", [
    ("{table='flat.npy', unit='S/m'}",
     "flat.npy has the shape (120); the grid needs (6, 4, 5), which is (nz, ny, nx)"),
    ("{table='zero.npy', unit='S/m'}",
     "zero.npy gives 0 S/m at (0.05, 0.1, 0.25) m; it must be above 0 S/m"),
    ("{table='n.npy'}", "the unit of n.npy is not known; add unit = \"...\""),
    ("{table='n.npy', unit='V'}", "unit 'V' does not fit"),
    ("{table='text.npy', unit='S/m'}", "text.npy holds <U32, not numbers"),
    ("{table='flags.npy', unit='S/m'}", "flags.npy holds bool, not numbers"),
    ("{table='objects.npy', unit='S/m'}", "cannot read objects.npy as a .npy file"),
    ("{table='many.npy', unit='S/m'}", "it is not one; save one array of numbers"),
    ("{table='empty.npy', unit='S/m'}", "it is not one; save one array of numbers"),
    ("{table='cut.npy', unit='S/m'}", "cannot read cut.npy as a .npy file"),
    ("{table='header.npy', unit='S/m'}", "cannot read header.npy as a .npy file"),
    ("{table='no.npy', unit='S/m'}", "there is no file 'no.npy' in "),
    ("{table='\\u0000.npy', unit='S/m'}", "there is no file"),
    ("{table='n.npy', column='a'}", "unknown key; known: table, unit"),
    ("{table='v.h5', dataset='few', unit='S/m'}", "v.h5: few has the shape (3, 4, 5)"),
    ("{table='v.h5', dataset='rock/sigm', unit='S/m'}",
     "v.h5 has no dataset 'rock/sigm'; did you mean 'rock/sigma'?"),
    ("{table='v.h5', dataset='rock', unit='S/m'}", "v.h5 has no dataset 'rock'"),
    ("{table='v.h5', dataset='rock/names', unit='S/m'}", "holds |S3, not numbers"),
    ("{table='v.h5', unit='S/m'}", "is missing; write e.g. dataset = "),
    ("{table='no.h5', dataset='a', unit='S/m'}", "cannot read no.h5 as HDF5: "),
    ("{table='none.h5', dataset='a', unit='S/m'}", "there is no file 'none.h5'"),
    ("{formula='x - 0.3', unit='S/m'}",
     "the formula gives -0.25 S/m at (0.05, 0.1, 0.25) m; it must be above 0 S/m"),
    ("{formula='1/(x - 0.25)', unit='S/m'}", "the formula gives inf at (0.25, 0.1, 0.25) m"),
    ("{formula='1e308', unit='kS/m'}", "the formula gives inf S/m at (0.05, 0.1, 0.25) m; it must "
     "be a finite number"),
    ("{formula='cosine(x)', unit='S/m'}", "'cosine' in the formula is not a function"),
    ("{formula='x'}", "the unit of the formula is not known"),
    ("{formula='x', table='n.npy', unit='S/m'}",
     "one of layers, table, samples, drill_holes, formula, block_model"),
    ("{formula=3, unit='S/m'}", "should be text in quotes, not 3"),
    ("{table=3, unit='S/m'}", "should be text in quotes, not 3"),
])
def test_wrong_array_or_formula_is_refused(small, source, message):
    lines = complaints(small, f"ore.conductivity={source}")
    assert message in lines[0] and all(n.startswith("-o ore.conductivity") for n in lines)


# --- layers ---------------------------------------------------------------------------------

def test_layers_are_weighted_by_thickness():
    """A voxel from 0.5 to 1 m across a border at 0.7 m holds 0.4 of the lower layer, 0.6 of the
    upper one, so that the sum over the block is that of the layers on any grid."""
    grid = Grid((2, 1, 6), (0.1, 0.2, 0.5))
    values = layered(grid, [(0.7, 3.0, 10.0), (0.0, 0.7, 20.0)])
    assert values.shape == (6, 1, 2)
    assert values[:, 0, 1] == pytest.approx([20.0, 14.0, 10.0, 10.0, 10.0, 10.0])
    assert values.mean() == pytest.approx((0.7 * 20 + 2.3 * 10) / 3)


def test_layer_heights_count_from_the_bottom_of_the_block(tmp_path):
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
def test_layers_that_do_not_fill_the_block_are_refused(tmp_path, layers, message):
    case = copy(tmp_path, SMALL, (POROSITY, f"porosity = {{ layers = [{layers}] }}"))
    assert message in "\n".join(complaints(case))


# --- samples --------------------------------------------------------------------------------

def test_kriging_is_exact_at_the_samples_and_bounded(rng):
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


def test_sample_at_a_voxel_centre_is_the_voxels_value(tmp_path):
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
def test_wrong_samples_are_refused(tmp_path, content, message):
    case = copy(tmp_path, SMALL, (LREE, 'Al = { samples = "extra.csv", column = "Al", '
                                  'unit = "mg/kg" }'), extra=content)
    assert message in complaints(case)[0]
