"""XDMF description of the snapshots: read by VTK's own reader, which ParaView 5.11 has as well."""

import numpy as np
import pytest
from helpers.vtkhdf_block import GRID, TIMES, block, static, stored, written

from ekm3d.output.xdmf import XdmfFile

vtk_xdmf = pytest.importorskip("vtkmodules.vtkIOXdmf2")


def read(path, time):
    """{name: array (nz, ny, nx[, 3])} of the block at a time, and the times of the file."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline
    reader = vtk_xdmf.vtkXdmfReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    about, key = reader.GetOutputInformation(0), Pipeline.TIME_STEPS()
    times = [about.Get(key, n) for n in range(about.Length(key))]
    reader.UpdateTimeStep(time)
    image = reader.GetOutputDataObject(0)
    assert image.GetDimensions() == tuple(n + 1 for n in GRID.cells)
    assert image.GetSpacing() == pytest.approx(GRID.spacing)
    assert image.GetOrigin() == pytest.approx(GRID.origin)
    data = image.GetCellData()
    arrays = {}
    for n in range(data.GetNumberOfArrays()):
        array = vtk_to_numpy(data.GetArray(n))
        arrays[data.GetArrayName(n)] = array.reshape(*GRID.shape, *array.shape[1:])
    return times, arrays


def test_every_array_of_every_time_is_read(tmp_path):
    """Unequal numbers of voxels along x, y, z: a swapped axis would be seen."""
    path = written(tmp_path).path
    description = XdmfFile(path)
    description.update()
    for n, time in enumerate(TIMES):
        times, arrays = read(description.path, time)
        assert times == list(TIMES)
        wanted = block(n) | {field.name: array for field, array in static().items()}
        assert arrays.keys() == wanted.keys()
        for name, array in wanted.items():
            assert np.array_equal(arrays[name], stored(array), equal_nan=True), name


def test_the_description_grows_with_the_file(tmp_path):
    """Described after each snapshot, as in a run: the same text as described once at the end."""
    snapshots = written(tmp_path)
    grown = XdmfFile(snapshots.path)
    grown.update()
    before = grown.path.read_text()
    snapshots.append(TIMES[-1] + 1.0, block(0))
    grown.update()
    text = grown.path.read_text()
    assert before != text and not list(tmp_path.glob(".*"))
    XdmfFile(snapshots.path).update()
    assert grown.path.read_text() == text
    assert read(grown.path, TIMES[-1] + 1.0)[0] == [*TIMES, TIMES[-1] + 1.0]
