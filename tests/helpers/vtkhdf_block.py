"""A block with three snapshots, its values and its readers, for tests of all writers."""

import numpy as np
import pytest

from ekm3d.diagnostics.output_field import OutputField
from ekm3d.grid.grid import Grid
from ekm3d.output.vtkhdf import Snapshots

# Axes, spacings and origin all unequal: a swap of two would show.
GRID = Grid((5, 4, 3), (0.1, 0.2, 0.5), (1.0, -2.0, 10.0))
TIMES = (0.0, 3600.0, 5400.0)
ORE = OutputField("ore", "1", "1 where there is ore")
POROSITY = OutputField("porosity", "1", "pores per volume of ore")
LAYER = OutputField("layer", "1", "number of the layer")
PHI = OutputField("phi", "V", "electric potential")
CALCIUM = OutputField("c_Ca+2", "mol/m3", "dissolved calcium, per volume of water")
FLUX = OutputField("water_flux", "m/s", "Darcy velocity", components=3)


def coordinates():
    """Return x, y, z of the voxel centres, each of shape (nz, ny, nx)."""
    z, y, x = np.meshgrid(*(GRID.centres(axis) for axis in range(3)), indexing="ij")
    return x, y, z


def block(n):
    """Return {name: array} with values that differ between all voxels, components, snapshots n."""
    x, y, z = coordinates()
    return {"phi": x + 10 * y + 100 * z + 1000 * n,
            "c_Ca+2": np.exp(-x * n) + z,
            "water_flux": np.stack([x, y, z], axis=-1) * (n + 1)}


def static():
    """Return {OutputField: array} of a mask, real and integer values that do not change."""
    x, _, z = coordinates()
    return {ORE: x > 1.2, POROSITY: 0.4 + 0.001 * z, LAYER: np.round(z * 2).astype(np.int64)}


def stored(array):
    """Return the array in the file's precision."""
    return np.asarray(array, "f4")


def written(folder):
    """Return the Snapshots of fields.vtkhdf in a folder, with the block at all TIMES."""
    snapshots = Snapshots(folder / "fields.vtkhdf", GRID, static(), [PHI, CALCIUM, FLUX])
    for n, time in enumerate(TIMES):
        snapshots.append(time, block(n))
    return snapshots


def vtk_reader(path):
    """Return VTK's own reader of this format, and the times it finds."""
    hdf = pytest.importorskip("vtkmodules.vtkIOHDF", exc_type=ImportError,
                              reason="VTK's reader cannot be imported: pip install vtk")
    reader = hdf.vtkHDFReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    information = reader.GetOutputInformation(0)
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as pipeline
    key = pipeline.TIME_STEPS()
    return reader, [information.Get(key, n) for n in range(information.Length(key))]
