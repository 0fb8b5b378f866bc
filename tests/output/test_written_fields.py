"""Choice of the fields in snapshots and of their precision; the files beside fields.vtkhdf."""

import h5py
import numpy as np
import pytest
from helpers.salt_block import salt_case

from ekm3d import Case, Simulation
from ekm3d.errors import InputError
from ekm3d.output.run_directory import open_outputs


def snapshot_of(tmp_path, *overrides):
    """(Simulation at its start, path of its file with one snapshot)."""
    sim = Simulation(Case.read(salt_case(tmp_path / "case"), overrides), "numpy")
    sim.fields()
    outputs = open_outputs(sim, tmp_path / "out")
    outputs.snapshot()
    outputs.finish_snapshot()
    outputs.interrupted("for the test")
    return sim, tmp_path / "out" / "fields.vtkhdf"


def test_fields_are_chosen_by_name_or_pattern(tmp_path):
    """pH and the two vectors; what does not change is there as ever, and no electrode is lost."""
    _, path = snapshot_of(tmp_path, 'output.fields=["pH", "*_flux", "current_*"]')
    with h5py.File(path) as file:
        names, static = set(file["VTKHDF/CellData"]), {"porosity", "density", "electrode_row"}
    assert {"pH", "water_flux", "current_density"} <= names and static <= names
    assert not {"phi", "head", "net_charge"} & names
    assert {p.name for p in path.parent.glob("*.vtp")} >= {"electrodes.vtp"}
    assert 'Name="pH"' in path.with_suffix(".xdmf").read_text()


def test_precision_is_that_of_the_case(tmp_path):
    """In float64 the potential is that of the state to the last bit."""
    sim, path = snapshot_of(tmp_path, "output.precision=float64")
    with h5py.File(path) as file:
        found = file["VTKHDF/CellData/phi"]
        assert found.dtype == np.float64
        assert np.array_equal(found[0], sim.field("phi"), equal_nan=True)
        assert file["VTKHDF/CellData/porosity"].dtype == np.float32
    assert 'Precision="8"' in path.with_suffix(".xdmf").read_text()


def test_a_name_that_is_no_field_is_refused_before_anything_is_written(tmp_path):
    """With what may have been meant; the directory is not made."""
    with pytest.raises(InputError, match=r"output.fields: 'ph' is the name of no field.*'pH'"):
        snapshot_of(tmp_path, 'output.fields=["phi", "ph"]')
    assert not (tmp_path / "out").exists()
