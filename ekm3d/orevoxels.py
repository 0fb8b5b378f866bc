"""The voxels of a padded block that hold ore, as one flat list: what chemistry works on."""

import numpy as np

from ekm3d.grid import GHOST
from ekm3d.stencil import flat


class OreVoxels:
    """Takes values of the n ore voxels out of padded arrays, and puts them back."""

    def __init__(self, grid, ore):
        """ore: inner mask of the voxels that hold ore."""
        self.grid = grid
        mask = np.zeros(grid.padded, bool)
        mask[grid.inner] = ore
        self.index = np.flatnonzero(mask)

    def take(self, array, chosen=slice(None)):
        """(..., n) of an array (..., padded); chosen: numbers of some of the ore voxels."""
        return flat(array)[..., self.index[chosen]]

    def put(self, array, values, chosen=slice(None)):
        """Write values (..., n) into an array (..., padded)."""
        flat(array)[..., self.index[chosen]] = values

    def places(self, numbers):
        """Centres [m] of the ore voxels with these numbers, as text."""
        places = []
        for n in numbers:
            index = np.unravel_index(self.index[n], self.grid.padded)
            z, y, x = (self.grid.centres(axis)[v - GHOST] for axis, v in enumerate(index))
            places.append(f"({x:.3f}, {y:.3f}, {z:.3f}) m")
        return ", ".join(places)
