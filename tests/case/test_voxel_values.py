"""Ore data from formulas, .npy and HDF5 tables, and what [ore] may leave out."""

import h5py
import numpy as np
import pytest
from helpers.case_files import OPEN, SMALL, complaints, copy, told

from ekm3d.case.case import Case

SHAPE = (6, 4, 5)
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
def test_an_array_is_taken_as_it_is(small, source):
    """[k, j, i] in the file as in the program, whatever its number format; mS/m to S/m."""
    sigma = Case.read(small, [f"ore.conductivity={source}"]).ore.electric_conductivity
    assert sigma.dtype == np.float64 and sigma.flags.c_contiguous
    np.testing.assert_allclose(sigma, 1e-3 * NUMBERS, rtol=1e-15)


def test_amounts_of_the_ore_may_be_arrays_and_formulas(small):
    """120 mg/kg of Al (26.98 g/mol) on 1500 kg/m3; a CEC of 0.1 + z eq/kg, z = 0.25 m lowest."""
    ore = Case.read(small, ["ore.exchangeable.Al={table='n.npy', unit='mg/kg'}",
                            "chemistry.exchanger.cec={formula='0.1 + z', unit='eq/kg'}"]).ore
    assert ore.exchangeable["Al+3"][5, 3, 4] == pytest.approx(120e-6 / 26.98e-3 * 1500)
    assert ore.cec[0, 2, 1] == pytest.approx(0.35 * 1500)


@pytest.mark.parametrize("source", ["{formula='0.4 + x/10'}", "{formula='40 + 10*x', unit='%'}"])
def test_a_formula_is_taken_at_the_centres(small, source):
    """x = 0.05, 0.15, ... m; a pure number needs no unit, and may have one."""
    ore = Case.read(small, [f"ore.porosity={source}", "ore.water_content=0.3"]).ore
    assert ore.porosity[3, 2] == pytest.approx([0.405, 0.415, 0.425, 0.435, 0.445])


def test_coordinates_count_from_the_origin():
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
    ("{formula='x', table='n.npy', unit='S/m'}", "one of layers, table, samples, formula"),
    ("{formula=3, unit='S/m'}", "should be text in quotes, not 3"),
    ("{table=3, unit='S/m'}", "should be text in quotes, not 3"),
])
def test_a_wrong_array_or_formula_is_explained(small, source, message):
    lines = complaints(small, f"ore.conductivity={source}")
    assert message in lines[0] and all(n.startswith("-o ore.conductivity") for n in lines)


def test_new_properties_are_none_unless_given(small):
    ore = Case.read(small).ore
    assert (ore.electric_conductivity, ore.current_source, ore.storage) == (None, None, None)
    ore = Case.read(small, ["ore.current_source={formula='x - 0.25', unit='A/m3'}",
                            "ore.storage=2e-3 1/m", "physics.transport=false"]).ore
    assert ore.current_source[0, 0] == pytest.approx([-0.2, -0.1, 0.0, 0.1, 0.2], abs=1e-15)
    assert (ore.storage == 2e-3).all()


def test_free_water_is_an_ore_like_any_other(small):
    ore = Case.read(small, ["ore.porosity=1", "ore.water_content=1", "ore.tortuosity=1"]).ore
    assert ore.water_content.min() == ore.porosity.min() == ore.tortuosity.min() == 1.0


def test_without_flow_there_need_be_no_permeability(tmp_path):
    case = copy(tmp_path, OPEN, ('permeability = { formula = "1 + z", unit = "um/s" }', ""))
    told(case, "ore.permeability", "is missing; write e.g. permeability = '3.5e-7 m/s'")
    assert not Case.read(case, ["physics.flow=false"]).ore.hydraulic_conductivity.any()


@pytest.mark.parametrize("override", [
    "water.prewetting={'Na+'='1 mmol/kg', 'Cl-'='1 mmol/kg'}", "chemistry.exchanger.cec=1 meq/kg",
    "chemistry.exchanger.variable_charge=1 meq/kg"])
def test_without_amounts_per_kg_there_need_be_no_density(tmp_path, override):
    """Reports per kg then count 1000 kg/m3, a round number; with amounts it must be given."""
    case = copy(tmp_path, OPEN)
    assert (Case.read(case).ore.density == 1000.0).all()
    told(case, "ore.density", "is missing; write e.g. density = '1500 kg/m3'", override)


def test_the_density_of_an_ore_with_an_inventory_must_be_given(tmp_path):
    case = copy(tmp_path, SMALL, ('density = "1.5 g/cm3"', ""))
    told(case, "ore.density", "is missing")
    told(case, "ore.density", "is missing", "ore.exchangeable={}",
         "chemistry.exchanger.variable_charge=0.0", "water.prewetting={}")
