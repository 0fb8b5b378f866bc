"""Sweeps over a level: bits of the single steps, in every shape, and the cycle that takes them."""

import numpy as np
import pytest
from helpers.elliptic_problems import conductances, couplings, padded
from helpers.kernel_outputs import SHAPES, poisoned
from helpers.multigrid_levels import grid_of, halvings, medium, vectors

from ekm3d.backends.choose import choose_backend
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers import level_sweeps as sweeps
from ekm3d.solvers import multigrid as mg
from ekm3d.solvers.multigrid_cycle import Multigrid

# More than one tile: along x, along y (of rows so long), and rows that end within a vector.
LONG = [(600, 7, 9), (530, 90, 3)]


@pytest.fixture(scope="module")
def cpp():
    """The backend that sweeps levels, with the flags of a user."""
    try:
        return choose_backend("cpp")
    except BackendError as error:
        pytest.skip(str(error))


def zeros(grid):
    """Return a padded float32 array of zeros."""
    return np.zeros(grid.padded, np.float32)


def pairs(bodies, grid, coarse, level, given):
    """Return [(wanted, got), ...] of every sweep; bodies: maps an operator to what is called.

    wanted: by single steps of `multigrid`.
    """
    do, (b, x), (up,) = bodies, given, vectors(np.random.default_rng(5), coarse, 1)
    op, found = level.operator, []
    for start in (None, x):
        y, once = [zeros(grid), zeros(grid)], zeros(grid)
        coarse_b = [zeros(coarse), zeros(coarse)]
        if start is None:
            do(mg.smooth_from_zero)(grid, *op, b, y[0])
            do(sweeps.presmooth_from_zero)(grid, coarse, *op, b, y[1], coarse_b[1])
        else:
            do(mg.smooth)(grid, *op, b, x, mg.FIRST, once)
            do(mg.smooth)(grid, *op, b, once, mg.SECOND, y[0])
            do(sweeps.presmooth)(grid, coarse, *op, b, x, y[1], coarse_b[1])
        do(mg.restrict_residual)(grid, coarse, level.face, level.coupling, b, y[0], coarse_b[0])
        found += [tuple(y), tuple(coarse_b)]
    corrected, once, result = x.copy(), zeros(grid), [zeros(grid) for _ in range(3)]
    sums = poisoned((2, *grid.shape[:2], grid.segments))
    do(mg.prolong)(grid, coarse, up, corrected)
    do(mg.smooth)(grid, *op, b, corrected, mg.FIRST, once)
    do(mg.smooth_and_sum)(grid, *op, b, once, mg.SECOND, result[0], sums[0])
    do(sweeps.postsmooth)(grid, coarse, *op, b, up, x, result[1])
    do(sweeps.postsmooth_and_sum)(grid, coarse, *op, b, up, x, result[2], sums[1])
    return [*found, (result[0], result[1]), (result[0], result[2]), tuple(sums)]


@pytest.mark.parametrize("cells", SHAPES + LONG)
def test_a_sweep_has_the_bits_of_its_steps(cpp, rng, cells):
    """Of kernels and of their twins, for every choice of coarsened axes; ghosts stay zero."""
    grid = grid_of(cells)
    level, given = medium(rng, grid), vectors(rng, grid)
    for coarse in halvings(grid):
        for wanted, got in pairs(cpp.bind, grid, coarse, level, given):
            assert np.array_equal(wanted, got)
        if grid.cells in SHAPES:
            for wanted, got in pairs(lambda op: op, grid, coarse, level, given):
                assert np.array_equal(wanted, got)


@pytest.mark.parametrize("cells", [(41, 40, 40), (3, 150, 150)])
def test_a_cycle_of_sweeps_has_the_bits_of_single_steps(cpp, rng, monkeypatch, cells):
    """Two large levels at least, the second visited twice; then as without sweeps."""
    grid = Grid(cells, (1.0, 1.0, 1.0))
    face, _ = conductances(rng, grid, 1e2)
    b, r = couplings(rng, grid, 0.1), padded(grid, rng.normal(size=grid.shape))
    found = []
    for swept in (True, False):
        monkeypatch.setattr(type(cpp), "sweeps_levels", swept)
        m = Multigrid(grid, cpp, Domain(grid, cpp))
        m.set_operator(face, b)
        m.build_hierarchy()
        m.finest.b[...] = r
        found.append((m.apply(), m.finest.x))
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1], found[1][1]) and found[0][1].any()
