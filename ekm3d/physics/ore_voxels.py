"""The voxels of a padded block that hold ore, as one flat list: what chemistry works on.

Padded arrays and lists live where the backend says; what is for people to read is NumPy's.
"""

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.chemistry.ion_exchange import Sites
from ekm3d.grid.grid import GHOST
from ekm3d.grid.stencil import flat
from ekm3d.parallel.domain import Domain


class OreVoxels:
    """Takes values of the n ore voxels out of padded arrays, and puts them back."""

    def __init__(self, grid, ore, backend=Backend("plain arrays"), domain=None):
        """ore: inner mask of the voxels that hold ore; backend: of the padded arrays; domain: what
        part of the block the grid is, the whole if not given."""
        self.grid, self.backend = grid, backend
        self.domain = domain or Domain(grid, backend)
        mask = np.zeros(grid.padded, bool)
        mask[grid.inner] = ore
        self.index = np.flatnonzero(mask)
        self.all = backend.from_numpy(self.index)

    def take(self, array):
        """(..., n) of an array (..., padded)."""
        return np.take(flat(array), self.all, axis=-1)

    def put(self, array, values):
        """Write values (..., n) into an array (..., padded)."""
        flat(array)[..., self.all] = values

    def sites(self, rock, slow=False):
        """Exchange sites of the ore voxels; slow: with the slow ones included."""
        cec, slope = ((rock.whole_cec, rock.whole_slope) if slow
                      else (rock.cec, rock.cec_slope))
        reference = np.reshape(np.asarray(rock.reference_pH, float), (-1, 1))
        return Sites(self.take(cec), self.take(slope),
                     self.backend.cached(reference))

    def total(self, values):
        """Sum over the ore of all processes of the values (..., n) of this one's."""
        padded = self.backend.zeros((*values.shape[:-1], *self.grid.padded))
        self.put(padded, values)
        return self.domain.sums(padded)

    def numbers(self, places):
        """Numbers of ore voxels from their flat places in padded arrays."""
        return np.searchsorted(self.index, places)

    def places(self, numbers):
        """Centres [m] of the ore voxels with these numbers, as text."""
        places = []
        for n in numbers:
            index = np.unravel_index(self.index[n], self.grid.padded)
            z, y, x = (self.grid.centres(axis)[v - GHOST] for axis, v in enumerate(index))
            places.append(f"({x:.3f}, {y:.3f}, {z:.3f}) m")
        return ", ".join(places)
