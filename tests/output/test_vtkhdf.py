"""Snapshots: VTK and pyvista read the values, times and geometry that were written."""

import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
from helpers.vtkhdf_block import (
    CALCIUM,
    FLUX,
    GRID,
    LAYER,
    ORE,
    PHI,
    POROSITY,
    TIMES,
    block,
    static,
    stored,
    vtk_reader,
    written,
)

from ekm3d.diagnostics.output_field import OutputField
from ekm3d.output.results import open_results
from ekm3d.output.vtkhdf import Snapshots


@pytest.fixture
def snapshots(tmp_path):
    """A file with three snapshots, ready for more."""
    return written(tmp_path)


@pytest.fixture
def path(snapshots):
    """The path of that file."""
    return snapshots.path


# ---- other programs' readers -----------------------------------------------------------------

def vtk_array(image, name):
    """A cell array of a VTK image as (nz, ny, nx[, 3])."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    array = vtk_to_numpy(image.GetCellData().GetArray(name))
    return array.reshape(*GRID.shape, *array.shape[1:])


def test_vtk_reads_values_times_and_geometry(path):
    """Cells nx ny nz are points nx + 1, ...; every number comes back in float32, unmoved."""
    reader, times = vtk_reader(path)
    assert times == list(TIMES)
    for n in (2, 0, 1):
        reader.UpdateTimeStep(TIMES[n])
        image = reader.GetOutput()
        assert image.GetDimensions() == (6, 5, 4)
        assert image.GetSpacing() == GRID.spacing
        assert image.GetOrigin() == GRID.origin
        for name, array in block(n).items():
            assert np.array_equal(vtk_array(image, name), stored(array)), (name, n)


def test_vtk_finds_static_fields_at_every_time(path):
    """Stored once (one row), shown at all three steps: masks as bytes, numbers as integers."""
    with h5py.File(path) as file:
        for field in static():
            assert len(file["VTKHDF/CellData"][field.name]) == 1
            assert list(file["VTKHDF/Steps/CellDataOffsets"][field.name]) == [0, 0, 0]
    reader, times = vtk_reader(path)
    for time in times:
        reader.UpdateTimeStep(time)
        for field, array in static().items():
            wanted = array if array.dtype.kind in "bi" else stored(array)
            assert np.array_equal(vtk_array(reader.GetOutput(), field.name), wanted)


def test_a_probe_at_a_point_finds_the_voxel_there(path):
    """The value of phi at the centre of voxel i, j, k = 3, 1, 2, asked for by its coordinates.

    phi = x + 10 y + 100 z there is 1.35 - 17 + 1125: coordinates and indices agree in VTK.
    """
    reader, _ = vtk_reader(path)
    reader.UpdateTimeStep(0.0)
    image = reader.GetOutput()
    point = (1.0 + 3.5 * 0.1, -2.0 + 1.5 * 0.2, 10.0 + 2.5 * 0.5)
    ijk, inside = [0, 0, 0], [0.0, 0.0, 0.0]
    assert image.ComputeStructuredCoordinates(point, ijk, inside) == 1
    assert ijk == [3, 1, 2]
    cell = image.ComputeCellId(ijk)
    assert image.GetCellData().GetArray("phi").GetValue(cell) == pytest.approx(1109.35, rel=1e-6)


def test_pyvista_reads_the_file_by_its_name(path):
    """*.vtkhdf is what pyvista and ParaView map to the right reader."""
    pyvista = pytest.importorskip("pyvista", exc_type=ImportError,
                                  reason="pyvista cannot be imported: pip install 'ekm3d[viz]'")
    reader = pyvista.get_reader(str(path))
    reader.reader.UpdateInformation()
    assert reader.reader.GetNumberOfSteps() == 3
    reader.reader.SetStep(1)
    image = reader.read()
    assert tuple(image.dimensions) == (6, 5, 4)
    phi, flux = block(1)["phi"], block(1)["water_flux"]
    assert np.array_equal(image.cell_data["phi"].reshape(GRID.shape), stored(phi))
    assert np.array_equal(image.cell_data["water_flux"].reshape(*GRID.shape, 3), stored(flux))


def test_a_file_without_snapshots_is_already_readable(tmp_path):
    """A viewer may be opened before the first snapshot: no step, and no crash."""
    Snapshots(tmp_path / "fields.vtkhdf", GRID, static(), [PHI])
    with h5py.File(tmp_path / "fields.vtkhdf") as file:
        assert file["VTKHDF/Steps"].attrs["NSteps"] == 0
    assert vtk_reader(tmp_path / "fields.vtkhdf")[1] == []


# ---- crashes and other readers -------------------------------------------------------------------

def test_a_half_written_step_is_invisible_and_written_over(snapshots, path):
    """The process dies when the fields are written and the time is not, as by kill -9.

    VTK goes on seeing three steps; the run, started again, writes the fourth where it was cut.
    """
    code = f"""
        import os, sys
        from pathlib import Path
        sys.path[:0] = {sys.path!r}
        import h5py
        from helpers import vtkhdf_block as t
        from ekm3d.output.vtkhdf import Snapshots
        flush = h5py.File.flush
        h5py.File.flush = lambda file: (flush(file), os._exit(9))
        snapshots = Snapshots(Path({str(path)!r}).with_name("other"), t.GRID, {{}},
                                [t.PHI, t.CALCIUM, t.FLUX])
        snapshots.path = Path({str(path)!r})
        snapshots.append(7200.0, t.block(9))"""
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)]).returncode == 9
    with h5py.File(path) as file:
        assert len(file["VTKHDF/CellData/phi"]) == 3
        assert len(file["VTKHDF/Steps/Values"]) == file["VTKHDF/Steps"].attrs["NSteps"] == 3
    reader, times = vtk_reader(path)
    assert times == list(TIMES)
    reader.UpdateTimeStep(TIMES[-1])
    assert np.array_equal(vtk_array(reader.GetOutput(), "phi"), stored(block(2)["phi"]))
    snapshots.append(7300.0, block(3))
    reader, times = vtk_reader(path)
    assert times == [*TIMES, 7300.0]
    reader.UpdateTimeStep(7300.0)
    assert np.array_equal(vtk_array(reader.GetOutput(), "phi"), stored(block(3)["phi"]))


def test_a_reader_does_not_stop_the_run(snapshots, path):
    """Another process holds the file open, with HDF5's shared lock, while a snapshot is added."""
    watcher = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(f"""
            import h5py, sys
            file = h5py.File({str(path)!r}, "r")
            print("open", flush=True)
            sys.stdin.read()""")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert watcher.stdout.readline() == "open\n"
        snapshots.append(7200.0, block(3))
    finally:
        watcher.communicate("")
    assert list(open_results(path.parent).times) == [*TIMES, 7200.0]


def test_a_file_that_cannot_be_created_leaves_nothing(tmp_path):
    """The second static field has a wrong shape: no file, no draft; an older file stays."""
    (tmp_path / "fields.vtkhdf").write_text("an older result")
    with pytest.raises(ValueError, match=r"'porosity' has shape \(2, 2\)"):
        Snapshots(tmp_path / "fields.vtkhdf", GRID, {ORE: static()[ORE],
                                                     POROSITY: np.ones((2, 2))}, [PHI])
    assert [p.name for p in tmp_path.iterdir()] == ["fields.vtkhdf"]
    assert (tmp_path / "fields.vtkhdf").read_text() == "an older result"


@pytest.mark.parametrize("change, message", [
    ({"phi": np.zeros(GRID.shape[::-1])}, r"'phi' has shape \(5, 4, 3\), it should be \(3, 4, 5\)"),
    ({"water_flux": np.zeros((3, *GRID.shape))}, "'water_flux' has shape"),
    ({"pH": np.zeros(GRID.shape)}, r"undeclared \['pH'\]"),
])
def test_a_wrong_snapshot_is_refused_and_the_file_stays(snapshots, path, change, message):
    """Checked before the file is touched."""
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        snapshots.append(7200.0, block(3) | change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name, message", [("c/Ca", "without '/'"), ("phi", "declared twice")])
def test_ambiguous_field_names_are_refused(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        Snapshots(tmp_path / "fields.vtkhdf", GRID, {}, [PHI, OutputField(name, "1", "")])


# ---- attributes and layout ---------------------------------------------------------

def test_every_field_states_its_unit_and_meaning(path):
    """Attributes of each dataset, readable without this program."""
    with h5py.File(path) as file:
        for field in (ORE, POROSITY, LAYER, PHI, CALCIUM, FLUX):
            attributes = file["VTKHDF/CellData"][field.name].attrs
            assert attributes["units"] == field.unit
            assert attributes["long_name"] == field.meaning
        assert file["VTKHDF/Steps/Values"].attrs["units"] == "s"


def test_the_layout_is_that_of_vtkhdf_2_0(path):
    """Version 2.0, a fixed ASCII type, gzip with shuffle, and HDF5's default file version.

    libver "latest" needs HDF5 2.0 to read, VTK carries 1.14; its superblock would be 3.
    """
    with h5py.File(path) as file:
        root = file["VTKHDF"]
        assert list(root.attrs["Version"]) == [2, 0]
        assert root.attrs.get_id("Type").dtype == np.dtype("S9")
        assert list(root.attrs["WholeExtent"]) == [0, 5, 0, 4, 0, 3]
        for name, data in root["CellData"].items():
            assert (data.compression, data.compression_opts, data.shuffle) == ("gzip", 1, True)
            assert data.dtype == {"ore": "u1", "layer": "i4"}.get(name, "f4")
    assert path.read_bytes()[8] == 0
