"""Real space in the files of a run: each says where the block lies, and the way back."""

import json
import xml.etree.ElementTree as ET

import h5py
import numpy as np
import pytest
from helpers.case_files import told
from helpers.hill import SHORT, hill_case

from ekm3d import Case, Simulation
from ekm3d.output.results import open_results

PLACE = (*SHORT, 'grid.real_origin=["512300 m", "2734100.5 m", "210 m"]', "grid.rotation=30 deg",
         'grid.crs="EPSG:32649"')
CORNER = (512300.0, 2734100.5, 210.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    Simulation(Case.read(hill_case(folder), PLACE), "numpy").run(folder / "out", quiet=True)
    return folder / "out"


def turned(point):
    """A point of the case in real space, by hand."""
    c, s, (x, y, z) = np.sqrt(0.75), 0.5, point
    return np.add(CORNER, (c * x - s * y, s * x + c * y, z))


def test_snapshots_summary_and_provenance(folder):
    results = open_results(folder)
    assert results.grid.origin == (0.0, 0.0, 0.0)
    reference = results.reference
    assert reference.to_real([4.0, 1.0, 2.0]) == pytest.approx(turned((4.0, 1.0, 2.0)), abs=1e-8)
    assert reference.to_local(turned((4.0, 1.0, 2.0))) == pytest.approx([4, 1, 2], abs=1e-8)
    summary = json.loads((folder / "summary.json").read_text())
    assert [summary[f"real_origin_{a}_m"] for a in "xyz"] == list(CORNER)
    assert (summary["rotation_deg"], summary["crs"]) == (30.0, "EPSG:32649")
    assert results.provenance["facts"]["reference"]["real_origin_m"] == list(CORNER)
    assert "(512300, 2734100.5, 210) m" in (folder / "log.txt").read_text()


def test_vtk_places_the_block_and_hides_the_air(folder):
    """Bounds of the corners by hand; cells of air are blank; the reference is field data."""
    vtk = pytest.importorskip("vtk")
    reader = vtk.vtkHDFReader()
    reader.SetFileName(str(folder / "fields.vtkhdf"))
    reader.Update()
    block = reader.GetOutput()
    corners = np.array([turned((x, y, z)) for x in (0, 6) for y in (0, 1.5) for z in (0, 4)])
    bounds = np.reshape(block.GetBounds(), (3, 2))
    assert bounds == pytest.approx(np.stack([corners.min(0), corners.max(0)], axis=1), abs=1e-6)
    assert block.HasAnyBlankCells()
    data = block.GetFieldData()
    assert data.GetAbstractArray("crs").GetValue(0) == "EPSG:32649"
    assert data.GetAbstractArray("real_origin_m").GetTuple3(0) == CORNER


def test_electrodes_and_points_lie_in_the_block(folder):
    tree = ET.parse(folder / "electrodes.vtp")
    text = tree.find(".//Points/DataArray").text
    first = np.array(text.split(), float).reshape(-1, 3)[0]
    assert first == pytest.approx(turned((0.5, 0.0, 0.5)), abs=1e-8)
    names = [array.get("Name") for array in tree.findall(".//FieldData/DataArray")]
    assert names == ["crs", "rotation_deg", "real_origin_m", "local_origin_m"]


def test_xdmf_keeps_a_turned_block_where_the_case_has_it(folder, tmp_path):
    """And one that is moved only lies in real space."""
    head = (folder / "fields.xdmf").read_text()
    assert ">0.0 0.0 0.0<" in head
    assert 'Name="real_origin_m" Value="512300.0 2734100.5 210.0"' in head
    moved = Case.read(hill_case(tmp_path), PLACE[:-2])
    Simulation(moved, "numpy").run(tmp_path / "out", quiet=True)
    assert ">210.0 2734100.5 512300.0<" in (tmp_path / "out" / "fields.xdmf").read_text()


def test_xarray_tells_it(folder):
    pytest.importorskip("xarray")
    from ekm3d.output.xarray_backend import FieldsBackend

    block = FieldsBackend().open_dataset(folder / "fields.vtkhdf")
    assert block.attrs["rotation_deg"] == 30.0 and block.attrs["crs"] == "EPSG:32649"
    assert float(block["x"][0]) == 0.25


def test_a_case_that_says_nothing_has_files_as_before(tmp_path):
    Simulation(Case.read(hill_case(tmp_path), SHORT), "numpy").run(tmp_path / "out", quiet=True)
    with h5py.File(tmp_path / "out" / "fields.vtkhdf") as file:
        assert "FieldData" not in file["VTKHDF"] and "crs" not in file["VTKHDF"].attrs
        assert file["VTKHDF"].attrs["Origin"].tolist() == [0.0, 0.0, 0.0]
    assert "rotation_deg" not in json.loads((tmp_path / "out" / "summary.json").read_text())


def test_a_wrong_place_is_told(tmp_path):
    case = hill_case(tmp_path)
    told(case, "grid.rotation", "out of range", "grid.rotation=400 deg")
    told(case, "grid.crs", "one line of ASCII text", 'grid.crs="\\u4e2d"')
    told(case, "grid.real_origin", "should be a point, [x, y, z]", "grid.real_origin=[1, 2]")
