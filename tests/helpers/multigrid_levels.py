"""Random levels of multigrid for the tests of its kernels."""

import itertools

import numpy as np

from ekm3d.grid.grid import GHOST, Grid
from ekm3d.solvers import multigrid
from ekm3d.solvers.multigrid import Level

SPACING = (0.1, 0.2, 0.3)


def grid_of(cells):
    """Return a grid with segments of 32 voxels, the last one shorter, where it is long enough."""
    return Grid(cells, SPACING, segment=32 if cells[0] > 8 else 1)


def inner(grid, values):
    """Return a padded array with zero ghosts, of the type of the values."""
    return np.pad(values, GHOST)


def medium(rng, grid, closed=0.3):
    """Return a level with a random medium over three decades; a share of all is closed."""
    def random():
        values = 10.0 ** rng.uniform(-3, 0, grid.shape) * (rng.random(grid.shape) >= closed)
        return np.pad(values, GHOST).astype(np.float32)

    face = np.stack([random() for _ in range(3)])
    for axis in range(3):                            # the box is closed
        np.moveaxis(face[axis], axis, 0)[-GHOST - 1] = 0
    level = Level(grid, np.zeros(Level.ARRAYS * np.prod(grid.padded), np.float32))
    level.face[:], level.coupling[:] = face, random()
    multigrid.invert_diagonal(grid, level.face, level.coupling, level.inverse_diagonal)
    return level


def vectors(rng, grid, count=2):
    """Return random padded float32 arrays."""
    return [inner(grid, rng.normal(size=grid.shape)).astype(np.float32) for _ in range(count)]


def halvings(grid):
    """Yield every coarsening of a grid: along any of its axes that can be halved."""
    for halved in itertools.product((False, True), repeat=3):
        if all(n > 1 for n, h in zip(grid.cells, halved, strict=True) if h):
            yield Grid(tuple((n + 1) // 2 if h else n
                             for n, h in zip(grid.cells, halved, strict=True)), SPACING)
