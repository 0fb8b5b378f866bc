"""List of the voxels that hold ore: the voxels that chemistry works on.

Padded arrays and lists live on the backend's device; places for messages are NumPy's.
"""

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.chemistry.ion_exchange import Sites
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.grid.stencil import flat
from ekm3d.parallel.domain import Domain
from ekm3d.physics.rock import Rock


class OreVoxels:
    """Gather and scatter of the n ore voxels of padded arrays.

    index: (n,) flat padded indices, NumPy; all: the same on the device.
    """

    def __init__(self, grid: Grid, ore: np.ndarray, backend: Backend | None = None,
                 domain: Domain | None = None):
        """ore: inner mask of the voxels that hold ore; backend: of the padded arrays, NumPy if
        None; domain: part of the block that the grid covers, the whole if None."""
        self.grid, self.backend = grid, backend or Backend("plain arrays")
        self.domain = domain or Domain(grid, self.backend)
        mask = np.zeros(grid.padded, bool)
        mask[grid.inner] = ore
        self.index = np.flatnonzero(mask)
        self.all = self.backend.from_numpy(self.index)

    def take(self, array: Array) -> Array:
        """Return the values (..., n) of an array (..., padded)."""
        return np.take(flat(array), self.all, axis=-1)

    def put(self, array: Array, values: Array) -> None:
        """Write values (..., n) into an array (..., padded)."""
        flat(array)[..., self.all] = values

    def sites(self, rock: Rock, slow: bool = False) -> Sites:
        """Return the exchange sites of the ore voxels; slow: with the slow ones included."""
        cec, slope = ((rock.whole_cec, rock.whole_slope) if slow
                      else (rock.cec, rock.cec_slope))
        reference = np.reshape(np.asarray(rock.reference_pH, float), (-1, 1))
        return Sites(self.take(cec), self.take(slope), self.backend.cached(reference))

    def total(self, values: Array) -> np.ndarray:
        """Return the sum of values (..., n) over the ore of all ranks; collective."""
        padded = self.backend.zeros((*values.shape[:-1], *self.grid.padded))
        self.put(padded, values)
        return self.domain.sums(padded)

    def numbers(self, places: np.ndarray) -> np.ndarray:
        """Return the numbers of ore voxels, 0 to n - 1, from their flat padded indices."""
        return np.searchsorted(self.index, places)

    def places(self, numbers: np.ndarray) -> str:
        """Return the centres [m] of the ore voxels with these numbers, as text."""
        places = []
        for n in numbers:
            index = np.unravel_index(self.index[n], self.grid.padded)
            z, y, x = (self.grid.centres(axis)[v - GHOST] for axis, v in enumerate(index))
            places.append(f"({x:.3f}, {y:.3f}, {z:.3f}) m")
        return ", ".join(places)
