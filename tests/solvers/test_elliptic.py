"""The elliptic solver against a sparse direct one that is put together here, face by face."""

import re

import numpy as np
import pytest
from helpers.elliptic_problems import conductances, links, matrix, padded
from scipy.sparse.linalg import spsolve

from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import faces
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import EllipticSolver, apply_operator, diagonal

GRID = Grid((7, 5, 6), (0.1, 0.1, 0.1))


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
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-13)
    told = solver.solve(*a, b, f, x)
    A = matrix(GRID, a, b)
    source = f[GRID.inner].ravel()
    exact = spsolve(A.tocsc(), source)
    np.testing.assert_allclose(x[GRID.inner].ravel(), exact, atol=1e-6 * np.abs(exact).max())
    residual = np.linalg.norm(source - A @ x[GRID.inner].ravel()) / np.linalg.norm(source)
    assert told <= 1e-13 and residual < 1e-12
    assert not x[:GHOST].any() and not x[..., -GHOST:].any()


def test_the_diagonal_is_the_matrix_s(rng):
    """What contrast is told by and columns are solved with, ghosts zero."""
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
    EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-13).solve(*a, b, f, x)
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
    EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-13).solve(*a, b, f, x)
    assert (x[GRID.inner][dead] == before).all()
    live = ~dead.ravel()
    A = matrix(GRID, a, b)[live][:, live].toarray()
    source = f[GRID.inner].ravel()[live]
    if not share:
        source = source - source.mean()
        A = A + 1.0 / live.sum()
    np.testing.assert_allclose(x[GRID.inner].ravel()[live], np.linalg.solve(A, source), atol=1e-7)


def test_what_flows_in_flows_out(backend, rng):
    """The sum of sources is what the links take, sum b x: to 1e-14 at a tolerance of 1e-4.

    The residual is there (1e-6 to 1e-4 of the source), but its sum is not.
    """
    a, dead = conductances(rng, GRID, 1e3, isolated=9)
    b = np.where(padded(GRID, ~dead), links(rng, GRID, 0.2), 0.0)
    f = np.where(padded(GRID, ~dead), padded(GRID, rng.normal(size=GRID.shape)), 0.0)
    solver, x = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-4), np.zeros(GRID.padded)
    assert 1e-6 < solver.solve(*a, b, f, x) < 1e-4 and solver.iterations > 1
    left = f - b * x
    assert abs(left.sum()) < 1e-14 * (abs(f) + abs(b * x)).sum()
    assert not x[GRID.inner][dead].any()


def test_putting_the_balance_right_does_not_spoil_the_residual(backend, rng):
    """The constant added last changes the residual: should it pass the tolerance, on it goes.

    Here more is added, once: a bump, and what it does to r. What is told is the true residual,
    within the tolerance.
    """
    a, _ = conductances(rng, GRID, 1e2)
    b, f = links(rng, GRID, 0.1), padded(GRID, rng.normal(size=GRID.shape))
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-6)
    lift, image, calls = solver.do["lift"], np.zeros(GRID.padded), []

    def spoiled(g, b, inverse, way, x, r, sums):
        lift(g, b, inverse, way, x, r, sums)
        if not calls:
            bump = padded(GRID, rng.normal(size=GRID.shape))
            apply_operator(GRID, *a, b, bump, image)
            x += bump
            r -= image
            sums[...] = (r * r)[GRID.inner]               # segments of this grid are single voxels
        calls.append(way)

    solver.do["lift"], x = spoiled, np.zeros(GRID.padded)
    told = solver.solve(*a, b, f, x)
    apply_operator(GRID, *a, b, x, image)
    assert told == pytest.approx(np.linalg.norm(f - image) / np.linalg.norm(f), rel=1e-6)
    assert told <= 1e-6 and len(calls) == 2


def test_without_a_source_links_to_zero_pull_everything_to_zero(backend, rng):
    """x = 0 exactly solves it; the stop is measured against A x at the start."""
    a, _ = conductances(rng, GRID, 10.0)
    x = padded(GRID, rng.normal(size=GRID.shape))
    start = np.abs(x).max()
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-12)
    told = solver.solve(*a, links(rng, GRID, 0.3), np.zeros(GRID.padded), x)
    assert 0 < told <= 1e-12 and np.abs(x).max() < 1e-9 * start
    assert 0 < solver.iterations < 30


def test_nothing_to_do_is_done_at_once(backend, rng):
    """No source from a zero start, a start that is the solution, no conductance: 0 iterations."""
    a, _ = conductances(rng, GRID, 10.0)
    zero = np.zeros(GRID.padded)
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-10)
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
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-10)
    cold, warm_start = np.zeros(GRID.padded), np.zeros(GRID.padded)
    solver.solve(*a, b, f, warm_start)
    changed = f * (1 + 1e-3 * rng.normal(size=f.shape))
    solver.solve(*a, b, changed, cold)
    needed = solver.iterations
    solver.solve(*a, b, changed, warm_start)
    assert solver.iterations < needed
    np.testing.assert_allclose(warm_start, cold, atol=1e-6 * np.abs(cold).max())


def test_the_multigrid_of_an_operator_is_used_again(backend, rng):
    """same=True: another source with nothing set up anew, and the answer of a fresh solver."""
    a, _ = conductances(rng, GRID, 1e3)
    b = links(rng, GRID, 0.2)
    first, second = (padded(GRID, rng.normal(size=GRID.shape)) for _ in range(2))
    solver, calls = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-11), []
    take, build = solver.multigrid.do["convert"], solver.multigrid.do["coarsen"]
    solver.multigrid.do["convert"] = lambda *given: (calls.append("convert"), take(*given))
    solver.multigrid.do["coarsen"] = lambda *given: (calls.append("coarsen"), build(*given))
    solver.solve(*a, b, first, np.zeros(GRID.padded))
    assert calls.count("convert") == 1 and calls.count("coarsen") == len(solver.multigrid.cells)
    told, x, fresh = len(calls), np.zeros(GRID.padded), np.zeros(GRID.padded)
    solver.solve(*a, b, second, x, same=True)
    assert len(calls) == told and solver.iterations > 0
    EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-11).solve(*a, b, second, fresh)
    assert (x == fresh).all()
    solver.solve(*a, b, first, x)
    assert len(calls) == 2 * told


def test_another_operator_takes_all_of_the_solver(backend, rng):
    """Well connected along x first, then along z, then what an overflow may have left behind.

    Levels of other shapes, and the answer of a fresh solver to the last bit.
    """
    grid = Grid((12, 10, 11), (1.0, 1.0, 1.0))
    (ax, ay, az), _ = conductances(rng, grid, 1e2)
    b, f = links(rng, grid, 0.1), padded(grid, rng.normal(size=grid.shape))
    solver = EllipticSolver(grid, backend, Domain(grid), tolerance=1e-11)
    solver.solve(30 * ax, ay, az, b, f, np.zeros(grid.padded))
    assert solver.multigrid.cells[0] == (6, 10, 11)
    solver.p[...] = np.nan
    x, fresh = np.zeros(grid.padded), np.zeros(grid.padded)
    solver.solve(ax, ay, 30 * az, b, f, x)
    assert solver.multigrid.cells[0] == (12, 10, 6)
    EllipticSolver(grid, backend, Domain(grid), tolerance=1e-11).solve(ax, ay, 30 * az, b, f, fresh)
    assert (x == fresh).all()


def test_units_of_any_size_are_the_same_to_single_precision(backend, rng):
    """Conductances, links and source in units 2^-300 as large: x is the same to the last bit.

    float32 ends at 2^-149; the levels are kept in units of the mean conductance, and a power of
    two rounds nothing.
    """
    a, _ = conductances(rng, GRID, 1e3)
    b, f = links(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape))
    answers = []
    for unit in 1.0, 2.0**-300, 2.0**300:
        x = np.zeros(GRID.padded)
        EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-11).solve(
            *(unit * face for face in a), unit * b, unit * f, x)
        answers.append(x)
    assert (answers[0] == answers[1]).all() and (answers[0] == answers[2]).all()


@pytest.mark.parametrize("linked", [True, False])
def test_a_start_along_the_trend_saves_iterations(backend, rng, linked):
    """Sources that grow evenly: the third solution lies on the line through two, exactly.

    x(t) = x0 + t x1 needs no iteration from the second step on, for the start along the trend is
    the solution to the tolerance of the earlier ones; without it the same solve iterates. A
    source that turns round is found as well: the trend is followed backwards, for what it does
    to the error decides.
    """
    a, _ = conductances(rng, GRID, 1e2)
    b = links(rng, GRID, 0.2 * linked)
    f0, f1 = (padded(GRID, rng.normal(size=GRID.shape)) for _ in range(2))
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-12)
    x, trend = np.zeros(GRID.padded), np.zeros(GRID.padded)
    for t in (0.0, 0.1):
        solver.solve(*a, b, f0 + t * f1, x, trend=trend)
    solver.tolerance = 1e-9
    for t in (0.3, 0.05):
        plain = x.copy()
        solver.solve(*a, b, f0 + t * f1, plain)
        assert solver.iterations > 2
        before = x.copy()
        assert solver.solve(*a, b, f0 + t * f1, x, trend=trend) <= 1e-9
        assert solver.iterations <= 1
        np.testing.assert_allclose(x, plain, atol=1e-6 * np.abs(plain).max())
        np.testing.assert_allclose(trend, x - before, atol=1e-15)


def test_a_constant_trend_of_a_floating_problem_is_followed_nowhere(backend, rng):
    """It does nothing to the error (0 / 0): the solution is that without a trend."""
    a, _ = conductances(rng, GRID, 1e2)
    f, zero = padded(GRID, rng.normal(size=GRID.shape)), np.zeros(GRID.padded)
    x, plain = np.zeros(GRID.padded), np.zeros(GRID.padded)
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-11)
    solver.solve(*a, zero, f, plain)
    solver.solve(*a, zero, f, x, trend=padded(GRID, np.ones(GRID.shape)))
    np.testing.assert_allclose(x, plain, atol=1e-9 * np.abs(plain).max())


def test_a_start_that_was_good_enough_leaves_no_trend(backend, rng):
    """What is left then is the rounding of x, by and by a constant, which leads astray.

    A column is solved directly, a box from its own solution: no iteration, the trend is zero, and
    another source is solved as without one.
    """
    for grid in (Grid((13, 1, 1), (1.0, 1.0, 1.0)), GRID):
        a = [np.zeros(grid.padded) for _ in range(3)]
        for axis, face in zip((2, 1, 0), a):
            faces(face, axis)[...] = 1.0
            for outer in (0, -1):
                np.moveaxis(faces(face, axis), axis, 0)[outer] = 0.0
        zero, x, trend, plain = (np.zeros(grid.padded) for _ in range(4))
        solver = EllipticSolver(grid, backend, Domain(grid), tolerance=1e-11)
        f = padded(grid, rng.normal(size=grid.shape))
        solver.solve(*a, zero, f, x)
        trend[grid.inner] = 1e-20 + 1e-30 * rng.normal(size=grid.shape)
        for _ in range(2):
            solver.solve(*a, zero, f, x, trend=trend)
            assert solver.iterations == 0 and not trend.any()
        f = padded(grid, rng.normal(size=grid.shape))
        solver.solve(*a, zero, f, x, trend=trend)
        solver.solve(*a, zero, f, plain)
        np.testing.assert_allclose(x, plain, atol=1e-9 * np.abs(plain).max())


def test_giving_up_is_told_with_what_was_being_solved(backend, rng):
    """Three iterations do not solve 210 unknowns: the message has the field and what is left."""
    a, _ = conductances(rng, GRID, 1e6)
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-10, max_iterations=3)
    with pytest.raises(ConvergenceError, match="head: .*after 3 iterations.*required 1e-10.*contrast"):
        solver.solve(*a, links(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape)),
                     np.zeros(GRID.padded), "head")


@pytest.mark.parametrize("iterations", [1, 2, 5, 9])
def test_the_residual_that_is_told_on_the_way_is_the_true_one(backend, rng, iterations):
    """Worked out from sums taken before the step, |r - w q|: no less |f - A x| for that.

    The message has two digits of it: 5 per cent.
    """
    a, _ = conductances(rng, GRID, 1e3)
    b, f = links(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape))
    x = np.zeros(GRID.padded)
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-12, max_iterations=iterations)
    with pytest.raises(ConvergenceError) as told:
        solver.solve(*a, b, f, x)
    image = np.zeros(GRID.padded)
    apply_operator(GRID, *a, b, x, image)
    left = np.linalg.norm((f - image)[GRID.inner]) / np.linalg.norm(f[GRID.inner])
    assert float(re.search("residual of ([^ ]+)", str(told.value))[1]) == pytest.approx(left, 0.05)
