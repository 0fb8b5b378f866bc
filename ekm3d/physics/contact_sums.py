"""Sums over the faces of every electrode and every side, in the order of the faces.

Faces stay where the backend keeps them, as a large site has millions; of the sums, one number for
every place, the host gets what it asks for.
"""

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.grid.grid import Array, Grid


@operator
def sum_places(g, values, starts, n, ends, size, places, total, sums, below):
    """Compute the sums of every row of numbers over the faces of each place, in their order.

    g: of (places, rows, 1) voxels; values: (size,) = rows of n faces; starts: (places + 1,) first
    face of every place. Outputs (total,) = rows of places: sums, and those of what is below 0 in
    them, as positive numbers.
    """
    owner = np.repeat(np.arange(places), np.diff(starts))
    for k in range(g.cells[1]):
        row, at = values[k * n:(k + 1) * n], slice(k * places, (k + 1) * places)
        sums[at] = np.bincount(owner, row, minlength=places)
        below[at] = np.bincount(owner, np.maximum(-row, 0.0), minlength=places)


class ContactSums:
    """Sums of up to `most` rows of n faces; arrays of the backend.

    rows: (most, n), to be filled.
    """

    def __init__(self, backend: Backend, contacts: BoundaryFaces, most: int) -> None:
        strip = contacts.faces.strip
        self.backend, self.n, self.places = backend, strip.size, contacts.count
        self.rows = backend.zeros((most, self.n))
        self.starts = np.searchsorted(strip, np.arange(self.places + 1))
        self.sum_places = backend.bind(sum_places)
        self.parts: dict[int, tuple] = {}

    def __call__(self, count: int) -> tuple[Array, Array]:
        """Return the sums of the first rows and of what is below 0, (count, places) each.

        Arrays of this object, on the backend: the next call with this count changes them.
        """
        if count not in self.parts:
            self.parts[count] = self._part(count)
        call, out = self.parts[count]
        call()
        return out

    def _part(self, count):
        """(prepared call, its outputs) of the first `count` rows."""
        backend, total = self.backend, count * self.places
        flat = [backend.zeros(total) for _ in range(2)]
        out = tuple(a.reshape(count, self.places) for a in flat)
        if not total:
            return (lambda: None), out
        g = Grid((self.places, count, 1), (1.0, 1.0, 1.0))
        return backend.prepare(
            self.sum_places, g, self.rows[:count].reshape(-1), backend.cached(self.starts), self.n,
            self.starts.size, count * self.n, self.places, total, *flat), out

    def of(self, *rows: Array) -> np.ndarray:
        """Return the sums (rows, places) of rows (n,) of the backend, on the host."""
        for own, row in zip(self.rows, rows, strict=False):
            own[...] = row
        return self.backend.to_numpy(self(len(rows))[0])
