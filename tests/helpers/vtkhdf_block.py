"""A block with three snapshots, and what it holds: for tests of every way to write fields."""

import numpy as np

from ekm3d.diagnostics.output_field import OutputField
from ekm3d.grid.grid import Grid

# Axes, spacings and origin all unequal: nothing can be swapped unseen.
GRID = Grid((5, 4, 3), (0.1, 0.2, 0.5), (1.0, -2.0, 10.0))
TIMES = (0.0, 3600.0, 5400.0)
ORE = OutputField("ore", "1", "1 where there is ore")
POROSITY = OutputField("porosity", "1", "pores per volume of ore")
LAYER = OutputField("layer", "1", "number of the layer")
PHI = OutputField("phi", "V", "electric potential")
CALCIUM = OutputField("c_Ca+2", "mol/m3", "dissolved calcium, per volume of water")
FLUX = OutputField("water_flux", "m/s", "Darcy velocity", components=3)


def coordinates():
    """x, y, z of the voxel centres, each of shape (nz, ny, nx)."""
    z, y, x = np.meshgrid(*(GRID.centres(axis) for axis in range(3)), indexing="ij")
    return x, y, z


def block(n):
    """Values that differ between all voxels, components and snapshots n."""
    x, y, z = coordinates()
    return {"phi": x + 10 * y + 100 * z + 1000 * n,
            "c_Ca+2": np.exp(-x * n) + z,
            "water_flux": np.stack([x, y, z], axis=-1) * (n + 1)}


def static():
    x, _, z = coordinates()
    return {ORE: x > 1.2, POROSITY: 0.4 + 0.001 * z, LAYER: np.round(z * 2).astype(np.int64)}
