"""Scratch: padded arrays of numbers that the phases of a step use one after the other.

A phase asks for arrays by their numbers and owns them until it ends; it leaves nothing in them for
another phase, and writes to inner voxels only or zeros everywhere: ghosts are zero at all times.

    0, 1       the elliptic solver's residual and product
    2, 3, 4    sources and couplings of the problem that it solves
    5          source of a unit response
    0 to 4     transport: outflow by process, and the rate at which voxels empty
    0, 1, 2    electrolyte: what is asked of it outside of these; 1: of immobile water
"""

from typing import Any

from ekm3d.backends.base import Backend
from ekm3d.grid.grid import Array, Grid

SOLVER, SOURCES, RESPONSE, OUTFLOW = slice(0, 2), slice(2, 5), slice(5, 6), slice(0, 5)


class Scratch:
    """Padded float64 arrays, allocated when they are first asked for."""

    def __init__(self, grid: Grid, backend: Backend) -> None:
        self.grid, self.backend = grid, backend
        self.arrays: list[Array] = []

    def __getitem__(self, numbers: slice) -> list[Any]:
        """Return the arrays with these numbers; their contents are undefined, their ghosts zero."""
        while len(self.arrays) < numbers.stop:
            self.arrays.append(self.backend.zeros(self.grid.padded))
        return self.arrays[numbers]
