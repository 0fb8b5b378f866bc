"""Outputs of kernels under test: poisoned before, only inner voxels written after."""

import numpy as np

# Axes of one voxel, and never two alike: a swapped axis cannot hide.
# The last one is large enough for the host to share it among threads.
SHAPES = [(7, 5, 3), (1, 6, 4), (9, 1, 2), (3, 8, 1), (1, 1, 1), (40, 2, 3), (37, 28, 30)]


def poisoned(shape):
    """An output full of NaN: what a kernel forgets to write stays visible."""
    return np.full(shape, np.nan)


def assert_only_inner(grid, *outputs):
    """Inner voxels are numbers, ghosts were not touched."""
    for y in outputs:
        ghosts = np.ones(y.shape, bool)
        ghosts[grid.inner] = False
        assert np.isnan(y[ghosts]).all()
        assert np.isfinite(y[grid.inner]).all()
