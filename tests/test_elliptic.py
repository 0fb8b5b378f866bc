"""The elliptic solver against a sparse direct one that is put together here, face by face."""

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve

from ekm3d.domain import Domain
from ekm3d.elliptic import Elliptic, NoConvergence, diagonal
from ekm3d.grid import GHOST, Grid
from ekm3d.stencil import above, below, faces

GRID = Grid((7, 5, 6), (0.1, 0.1, 0.1))


def conductances(rng, grid, contrast, isolated=0):
    """(ax, ay, az) padded face conductances, log-uniform over `contrast`; outer faces closed.

    `isolated`: so many voxels at random lose all their faces; their mask (inner) comes along.
    """
    padded = np.zeros((3, *grid.padded))
    dead = np.zeros(grid.padded, bool)
    flat = rng.choice(np.prod(grid.shape), isolated, replace=False)
    dead[grid.inner][np.unravel_index(flat, grid.shape)] = True
    inside = np.zeros(grid.padded, bool)
    inside[grid.inner] = True
    for axis in range(3):
        shape = faces(padded[axis], axis).shape
        values = contrast ** rng.uniform(-0.5, 0.5, shape)
        live = inside & ~dead
        faces(padded[axis], axis)[...] = values * (below(live, axis) & above(live, axis))
    az, ay, ax = padded
    return (ax, ay, az), dead[grid.inner]


def matrix(grid, a, b):
    """The operator as a sparse matrix over the inner voxels, one face after the other."""
    number = np.full(grid.padded, -1)
    number[grid.inner] = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    rows, columns, values = [], [], []
    for axis, padded in zip((2, 1, 0), a):
        face = faces(padded, axis).ravel()
        low, high = below(number, axis).ravel(), above(number, axis).ravel()
        for n in np.flatnonzero(face):
            p, q = low[n], high[n]
            rows += [p, q, p, q]
            columns += [p, q, q, p]
            values += [face[n], face[n], -face[n], -face[n]]
    every = np.arange(number[grid.inner].size)
    rows, columns = np.append(rows, every), np.append(columns, every)
    return coo_matrix((np.append(values, b[grid.inner].ravel()), (rows, columns))).tocsr()


def padded(grid, values):
    return np.pad(np.reshape(values, grid.shape), GHOST)


def links(rng, grid, share):
    """Links to fixed values at a share of the voxels; padded."""
    return padded(grid, rng.uniform(0.1, 10, grid.shape) * (rng.random(grid.shape) < share))


@pytest.mark.parametrize("contrast", [1.0, 1e3, 1e6])
def test_linked_problems_agree_with_a_direct_solver(backend, rng, contrast):
    """Random conductances over six decades, links at a fifth of the voxels, random sources.

    The error of x is bounded by cond(A) |r|/|b|: 1e-13 of the source is asked for, and the
    condition number of these matrices is below 1e8 (Gershgorin, links from 0.1 to 10 against
    conductances up to 1e3 and paths down to 1e-3): 1e-6 is held, the residual itself to 1e-12.
    """
    a, _ = conductances(rng, GRID, contrast)
    b, f = links(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape))
    x = padded(GRID, rng.normal(size=GRID.shape))
    solver = Elliptic(GRID, backend, Domain(GRID), tolerance=1e-13)
    told = solver.solve(*a, b, f, x)
    A = matrix(GRID, a, b)
    source = f[GRID.inner].ravel()
    exact = spsolve(A.tocsc(), source)
    np.testing.assert_allclose(x[GRID.inner].ravel(), exact, atol=1e-6 * np.abs(exact).max())
    residual = np.linalg.norm(source - A @ x[GRID.inner].ravel()) / np.linalg.norm(source)
    assert told <= 1e-13 and residual < 1e-12
    assert not x[:GHOST].any() and not x[..., -GHOST:].any()


def test_the_diagonal_is_the_matrix_s(rng):
    """What Jacobi divides by, ghosts zero."""
    a, _ = conductances(rng, GRID, 1e4, isolated=5)
    b = links(rng, GRID, 0.3)
    found = diagonal(GRID, *a, b)
    np.testing.assert_allclose(found[GRID.inner].ravel(), matrix(GRID, a, b).diagonal(),
                               rtol=1e-14)
    found[GRID.inner] = 0.0
    assert not found.any()


def test_without_links_the_mean_is_taken_out_and_pinned(backend, rng):
    """Singular: only a source without mean has a solution, and it has any mean; ours is zero.

    The direct solution is of the least-squares kind: A plus the constant's projector. The
    start has a mean of 5, which must not survive.
    """
    a, _ = conductances(rng, GRID, 1e3)
    b, f = np.zeros(GRID.padded), padded(GRID, 3.0 + rng.normal(size=GRID.shape))
    x = padded(GRID, 5.0 + rng.normal(size=GRID.shape))
    Elliptic(GRID, backend, Domain(GRID), tolerance=1e-13).solve(*a, b, f, x)
    source = f[GRID.inner].ravel() - f[GRID.inner].mean()
    full = matrix(GRID, a, b).toarray() + 1.0 / source.size
    exact = np.linalg.solve(full, source)
    np.testing.assert_allclose(x[GRID.inner].ravel(), exact, atol=1e-8 * np.abs(exact).max())
    assert abs(x[GRID.inner].mean()) < 1e-12 * np.abs(exact).max()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_isolated_voxels_keep_their_value(backend, rng, share):
    """Nothing reaches a voxel without conductance: its value stays, whatever its source says.

    Even 1e9 times the others' source must not loosen what is asked of the rest. With links only
    where voxels conduct; without any, source and mean are those of the rest.
    """
    a, dead = conductances(rng, GRID, 1e2, isolated=9)
    b = np.where(padded(GRID, ~dead), links(rng, GRID, share), 0.0)
    f = padded(GRID, rng.normal(size=GRID.shape) * np.where(dead, 1e9, 1.0))
    x = padded(GRID, rng.normal(size=GRID.shape))
    before = x[GRID.inner][dead].copy()
    Elliptic(GRID, backend, Domain(GRID), tolerance=1e-13).solve(*a, b, f, x)
    assert (x[GRID.inner][dead] == before).all()
    live = ~dead.ravel()
    A = matrix(GRID, a, b)[live][:, live].toarray()
    source = f[GRID.inner].ravel()[live]
    if not share:
        source = source - source.mean()
        A = A + 1.0 / live.sum()
    np.testing.assert_allclose(x[GRID.inner].ravel()[live], np.linalg.solve(A, source), atol=1e-7)


def test_without_a_source_links_to_zero_pull_everything_to_zero(backend, rng):
    """x = 0 exactly solves it; the stop is measured against A x at the start."""
    a, _ = conductances(rng, GRID, 10.0)
    x = padded(GRID, rng.normal(size=GRID.shape))
    start = np.abs(x).max()
    solver = Elliptic(GRID, backend, Domain(GRID), tolerance=1e-12)
    told = solver.solve(*a, links(rng, GRID, 0.3), np.zeros(GRID.padded), x)
    assert told <= 1e-12 and np.abs(x).max() < 1e-9 * start
    assert solver.iterations > 0


def test_nothing_to_do_is_done_at_once(backend, rng):
    """No source from a zero start, a start that is the solution, no conductance: 0 iterations."""
    a, _ = conductances(rng, GRID, 10.0)
    zero = np.zeros(GRID.padded)
    solver = Elliptic(GRID, backend, Domain(GRID), tolerance=1e-10)
    x = zero.copy()
    assert solver.solve(*a, links(rng, GRID, 0.3), zero, x) == 0.0 and not x.any()
    assert solver.iterations == 0
    b, f = links(rng, GRID, 0.3), padded(GRID, rng.normal(size=GRID.shape))
    solver.solve(*a, b, f, x)
    again = x.copy()
    solver.solve(*a, b, f, x)
    assert solver.iterations == 0 and (x == again).all()
    assert solver.solve(zero, zero, zero, zero, f, x) == 0.0 and (x == again).all()


def test_a_warm_start_saves_iterations(backend, rng):
    """The source changed by 1e-3: fewer iterations than from zero, the same answer."""
    a, _ = conductances(rng, GRID, 1e3)
    b, f = links(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape))
    solver = Elliptic(GRID, backend, Domain(GRID), tolerance=1e-10)
    cold, warm = np.zeros(GRID.padded), np.zeros(GRID.padded)
    solver.solve(*a, b, f, warm)
    changed = f * (1 + 1e-3 * rng.normal(size=f.shape))
    solver.solve(*a, b, changed, cold)
    needed = solver.iterations
    solver.solve(*a, b, changed, warm)
    assert solver.iterations < needed
    np.testing.assert_allclose(warm, cold, atol=1e-6 * np.abs(cold).max())


def test_giving_up_is_told_with_what_was_being_solved(backend, rng):
    """Three iterations do not solve 210 unknowns: the message has the field and what is left."""
    a, _ = conductances(rng, GRID, 1e6)
    solver = Elliptic(GRID, backend, Domain(GRID), tolerance=1e-10, max_iterations=3)
    with pytest.raises(NoConvergence, match="head: .*after 3 iterations.*required 1e-10.*contrast"):
        solver.solve(*a, links(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape)),
                     np.zeros(GRID.padded), "head")
