"""Direct solution of a column of voxels against the residual of the elliptic operator."""

import numpy as np
import pytest
from helpers.elliptic_problems import conductances, couplings, padded
from scipy.linalg import solveh_banded

from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import apply_operator, diagonal
from ekm3d.solvers.tridiagonal import SHORT, solve, solve_column


def solved(backend, grid, a, b, f, x, singular):
    """Solve a column along its longest axis in place."""
    face = a[2 - int(np.argmax(grid.cells))]
    solve_column(Domain(grid, backend), backend, face, diagonal(grid, a, b), f, x, singular)


@pytest.mark.parametrize("cells", [(40, 1, 1), (1, 40, 1), (1, 1, 40)])
@pytest.mark.parametrize("coupled", [True, False])
def test_column_along_any_axis(backend, rng, cells, coupled):
    """A x = f to 1e-10 of f: conductances over two decades, a condition number below 1e6.

    Without coupling the source has mean zero and the first voxel is held at 0.
    """
    grid = Grid(cells, (1.0, 1.0, 1.0))
    a, _ = conductances(rng, grid, 1e2)
    b = couplings(rng, grid, 0.3 * coupled)
    f = rng.normal(size=grid.shape)
    f = padded(grid, f if coupled else f - f.mean())
    x, Ax = padded(grid, rng.normal(size=grid.shape)), np.zeros(grid.padded)
    solved(backend, grid, a, b, f, x, not coupled)
    apply_operator(grid, a, b, x, Ax)
    np.testing.assert_allclose(Ax, f, rtol=0, atol=1e-10 * abs(f).max())
    if not coupled:
        assert abs(x[grid.inner].ravel()[0]) < 1e-10 * abs(x).max()


def test_inactive_voxels_keep_their_value(backend, rng):
    """Voxels at both ends without any conductance, with a source that must not matter."""
    grid = Grid((12, 1, 1), (1.0, 1.0, 1.0))
    a, b = np.zeros((3, *grid.padded)), np.zeros(grid.padded)
    a[2][grid.inner][..., 2:9] = 1.0                        # voxels 2 to 9 conduct
    b[grid.inner][..., 5] = 0.5
    f, x = (padded(grid, rng.normal(size=grid.shape)) for _ in range(2))
    before, Ax = x.copy(), np.zeros(grid.padded)
    solved(backend, grid, a, b, f, x, False)
    apply_operator(grid, a, b, x, Ax)
    active = diagonal(grid, a, b) > 0
    assert (x[~active] == before[~active]).all()
    np.testing.assert_allclose(Ax[active], f[active], atol=1e-12)


def test_disconnected_column_keeps_its_start(backend, rng):
    """Two parts, coupling only in one: the other part's matrix is singular, x is not touched."""
    grid = Grid((10, 1, 1), (1.0, 1.0, 1.0))
    a, b = np.zeros((3, *grid.padded)), np.zeros(grid.padded)
    a[2][grid.inner][..., :9] = 1.0
    a[2][grid.inner][..., 4] = 0.0
    b[grid.inner][..., 0] = 1.0
    f, x = (padded(grid, rng.normal(size=grid.shape)) for _ in range(2))
    before = x.copy()
    solved(backend, grid, a, b, f, x, False)
    assert (x == before).all()


@pytest.mark.parametrize("size", [2, 3, 40, SHORT])
def test_a_short_column_is_solved_as_by_lapack(rng, size):
    """The operations of LAPACK's ptsv in their order; 1e-13 leaves room for one that fuses them.

    Diagonally dominant, so that neither loses more than some roundings.
    """
    beside = -np.exp(rng.normal(size=size - 1))
    d = 0.1 - np.append(beside, 0.0) - np.append(0.0, beside)
    f = rng.normal(size=size)
    lapack = solveh_banded(np.stack([np.append(0.0, beside), d]), f)
    np.testing.assert_allclose(solve(d, beside, f), lapack, rtol=1e-13, atol=1e-13 * abs(f).max())


@pytest.mark.parametrize("diagonal", [[1.0, 1.0, 4.0], [0.0, 1.0, 1.0], [1.0, 5.0, 0.1],
                                      [np.nan, 1.0, 1.0], [1.0, 5.0, np.nan]])
def test_a_matrix_without_cholesky_factor_is_refused(diagonal):
    """Not positive definite, at the first, a middle or the last voxel, or no number."""
    with pytest.raises(np.linalg.LinAlgError):
        solve(np.array(diagonal), np.full(2, -1.0), np.ones(3))


def test_long_columns_agree_with_short_ones(backend, rng):
    """SHORT + 1 voxels, by LAPACK: A x = f to 1e-10 of f, as for a short one."""
    grid = Grid((SHORT + 1, 1, 1), (1.0, 1.0, 1.0))
    a, _ = conductances(rng, grid, 1e2)
    b, f = couplings(rng, grid, 0.3), padded(grid, rng.normal(size=grid.shape))
    x, Ax = np.zeros(grid.padded), np.zeros(grid.padded)
    solved(backend, grid, a, b, f, x, False)
    apply_operator(grid, a, b, x, Ax)
    np.testing.assert_allclose(Ax, f, rtol=0, atol=1e-10 * abs(f).max())
