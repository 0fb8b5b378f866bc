"""Electrodes, wells and points as .vtp: read by VTK, in the places and with the names of the case.
"""

import numpy as np
import pytest
from helpers.case_files import ROOT
from helpers.rod_cases import rod_case
from helpers.salt_block import salt_case

from ekm3d import Case
from ekm3d.output.geometry import ELECTRODES, POINTS, RODS, WELLS, write_geometry

vtk_xml = pytest.importorskip("vtkmodules.vtkIOXML")


def read(path):
    """Points (n, 3), cells [[point numbers]], {name: values of the cells}."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    reader = vtk_xml.vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    shapes = reader.GetOutput()
    data = shapes.GetCellData()
    values = {}
    for n in range(data.GetNumberOfArrays()):
        array = data.GetAbstractArray(n)
        values[array.GetName()] = [array.GetValue(i) for i in range(array.GetNumberOfValues())]
    cells = [[shapes.GetCell(n).GetPointId(i) for i in range(shapes.GetCell(n).GetNumberOfPoints())]
             for n in range(shapes.GetNumberOfCells())]
    return vtk_to_numpy(shapes.GetPoints().GetData()), cells, values


def test_electrodes_are_closed_boxes_with_their_names(tmp_path):
    """Six outward faces each: by the divergence theorem a box's volume is 1/3 sum of x . n A."""
    case = Case.read(ROOT / "cases" / "field_block")
    write_geometry(tmp_path, case)
    points, cells, values = read(tmp_path / ELECTRODES)
    boxes = [(row.name, n + 1, np.array(box)) for row in case.electrodes.rows
             for n, box in enumerate(row.boxes)]
    assert len(cells) == 6 * len(boxes) and len(points) == 8 * len(boxes)
    for number, (row, strip, (low, high)) in enumerate(boxes):
        volume = 0.0
        for cell in cells[6 * number:6 * number + 6]:
            a, b, c, d = points[cell]
            volume += np.dot((a + c) / 2, np.cross(c - a, d - b) / 2) / 3
        assert volume == pytest.approx(np.prod(high - low), rel=1e-12)
        assert values["name"][6 * number] == f"{row}.{strip}"
        assert values["row_name"][6 * number] == row
    assert sorted(set(values["row"])) == [1, 2, 3]
    places, _, named = read(tmp_path / POINTS)
    wanted = [*case.sampling, *case.probes]
    assert named["name"] == [point.name for point in wanted]
    np.testing.assert_allclose(places, [point.position for point in wanted])


def test_rods_are_lines_with_their_radius(tmp_path):
    """Two points each, as given; the strip of 5 cm has about a quarter of its width."""
    case = Case.read(rod_case(tmp_path / "case"))
    write_geometry(tmp_path, case)
    points, cells, values = read(tmp_path / RODS)
    rods = [rod for row in case.electrodes.rows for rod in row.rods]
    np.testing.assert_allclose(points, [p for rod in rods for p in (rod.start, rod.end)])
    assert cells == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert values["name"] == ["left.1", "left.2", "right.1", "middle.1"]
    assert values["row"] == [1, 1, 2, 3] and values["strip"] == [1, 2, 3, 4]
    assert values["radius"] == [0.005, 0.005, pytest.approx(0.0125, rel=0.1), 0.002]
    assert not (tmp_path / ELECTRODES).exists()


def test_wells_with_a_box_are_shown_and_old_files_go(tmp_path):
    """The salt block's wells: those in boxes; a case without any removes the file of another."""
    case = Case.read(salt_case(tmp_path / "case"))
    boxed = [well for well in case.wells if well.box]
    write_geometry(tmp_path, case)
    assert (tmp_path / WELLS).exists() == bool(boxed)
    if boxed:
        assert read(tmp_path / WELLS)[2]["name"][::6] == [well.name for well in boxed]
    (tmp_path / WELLS).write_text("of another run")
    write_geometry(tmp_path, Case.read(ROOT / "cases" / "verification" / "ohmic_start"))
    assert not (tmp_path / WELLS).exists() and not (tmp_path / POINTS).exists()
