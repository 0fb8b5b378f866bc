"""Elliptic solver against a sparse direct solver, its matrix assembled face by face."""

import re

import numpy as np
import pytest
from helpers.elliptic_problems import conductances, couplings, matrix, padded
from scipy.sparse.linalg import spsolve

from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import faces
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import EllipticSolver, apply_operator, diagonal

GRID = Grid((7, 5, 6), (0.1, 0.1, 0.1))


@pytest.mark.parametrize("contrast", [1.0, 1e3, 1e6])
def test_coupled_problems_agree_with_a_direct_solver(backend, rng, contrast):
    """Random conductances over six decades, couplings at a fifth of the voxels, random sources.

    The error of x is bounded by cond(A) |r|/|b|: 1e-13 of the source is asked for, and the
    condition number of these matrices is below 1e8 (Gershgorin, couplings from 0.1 to 10 against
    conductances up to 1e3 and paths down to 1e-3): 1e-6 is held, the residual itself to 1e-12.
    """
    a, _ = conductances(rng, GRID, contrast)
    b, f = couplings(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape))
    x = padded(GRID, rng.normal(size=GRID.shape))
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-13)
    relative = solver.solve(a, b, f, x)
    A = matrix(GRID, a, b)
    source = f[GRID.inner].ravel()
    exact = spsolve(A.tocsc(), source)
    np.testing.assert_allclose(x[GRID.inner].ravel(), exact, atol=1e-6 * np.abs(exact).max())
    residual = np.linalg.norm(source - A @ x[GRID.inner].ravel()) / np.linalg.norm(source)
    assert relative <= 1e-13 and residual < 1e-12
    assert not x[:GHOST].any() and not x[..., -GHOST:].any()


def test_diagonal_equals_that_of_the_matrix(rng):
    """Ghosts are zero; conductance contrast and column solver depend on it."""
    a, _ = conductances(rng, GRID, 1e4, isolated=5)
    b = couplings(rng, GRID, 0.3)
    d = diagonal(GRID, a, b)
    np.testing.assert_allclose(d[GRID.inner].ravel(), matrix(GRID, a, b).diagonal(), rtol=1e-14)
    d[GRID.inner] = 0.0
    assert not d.any()


def test_singular_problem_removes_the_mean_of_source_and_solution(backend, rng):
    """No coupling: only a source of mean zero has a solution, fixed up to its mean, here zero.

    The direct solution is of the least-squares kind: A plus the constant's projector. The
    start has a mean of 5, which must not survive.
    """
    a, _ = conductances(rng, GRID, 1e3)
    b, f = np.zeros(GRID.padded), padded(GRID, 3.0 + rng.normal(size=GRID.shape))
    x = padded(GRID, 5.0 + rng.normal(size=GRID.shape))
    EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-13).solve(a, b, f, x)
    source = f[GRID.inner].ravel() - f[GRID.inner].mean()
    full = matrix(GRID, a, b).toarray() + 1.0 / source.size
    exact = np.linalg.solve(full, source)
    np.testing.assert_allclose(x[GRID.inner].ravel(), exact, atol=1e-8 * np.abs(exact).max())
    assert abs(x[GRID.inner].mean()) < 1e-12 * np.abs(exact).max()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_isolated_voxels_keep_their_value(backend, rng, share):
    """A voxel without conductance keeps its value for any source in it.

    Even 1e9 times the others' source must not loosen the tolerance of the rest. Couplings only in
    active voxels; without any, source and mean are those of the active voxels.
    """
    a, inactive = conductances(rng, GRID, 1e2, isolated=9)
    b = np.where(padded(GRID, ~inactive), couplings(rng, GRID, share), 0.0)
    f = padded(GRID, rng.normal(size=GRID.shape) * np.where(inactive, 1e9, 1.0))
    x = padded(GRID, rng.normal(size=GRID.shape))
    before = x[GRID.inner][inactive].copy()
    EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-13).solve(a, b, f, x)
    assert (x[GRID.inner][inactive] == before).all()
    active = ~inactive.ravel()
    A = matrix(GRID, a, b)[active][:, active].toarray()
    source = f[GRID.inner].ravel()[active]
    if not share:
        source = source - source.mean()
        A = A + 1.0 / active.sum()
    np.testing.assert_allclose(x[GRID.inner].ravel()[active], np.linalg.solve(A, source), atol=1e-7)


def test_balance_of_sources_and_couplings_closes(backend, rng):
    """The sum of sources equals the sum of b x to 1e-14 at a tolerance of 1e-4.

    The residual is 1e-6 to 1e-4 of the source, but its sum is zero.
    """
    a, inactive = conductances(rng, GRID, 1e3, isolated=9)
    b = np.where(padded(GRID, ~inactive), couplings(rng, GRID, 0.2), 0.0)
    f = np.where(padded(GRID, ~inactive), padded(GRID, rng.normal(size=GRID.shape)), 0.0)
    solver, x = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-4), np.zeros(GRID.padded)
    assert 1e-6 < solver.solve(a, b, f, x) < 1e-4 and solver.iterations > 1
    imbalance = f - b * x
    assert abs(imbalance.sum()) < 1e-14 * (abs(f) + abs(b * x)).sum()
    assert not x[GRID.inner][inactive].any()


def test_closing_the_balance_keeps_the_residual_within_tolerance(backend, rng):
    """The constant added last changes the residual: above the tolerance, iterations go on.

    Here a bump is added once, with its change of r. The returned residual is the true one, within
    the tolerance.
    """
    a, _ = conductances(rng, GRID, 1e2)
    b, f = couplings(rng, GRID, 0.1), padded(GRID, rng.normal(size=GRID.shape))
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-6)
    remove_mean, A_bump, calls = solver.do["remove_mean_residual"], np.zeros(GRID.padded), []

    def with_bump(g, b, inverse_diagonal, constant, x, r, sums):
        remove_mean(g, b, inverse_diagonal, constant, x, r, sums)
        if not calls:
            bump = padded(GRID, rng.normal(size=GRID.shape))
            apply_operator(GRID, a, b, bump, A_bump)
            x += bump
            r -= A_bump
            sums[...] = (r * r)[GRID.inner]               # segments of this grid are single voxels
        calls.append(constant)

    solver.do["remove_mean_residual"], x, Ax = with_bump, *np.zeros((2, *GRID.padded))
    relative = solver.solve(a, b, f, x)
    apply_operator(GRID, a, b, x, Ax)
    assert relative == pytest.approx(np.linalg.norm(f - Ax) / np.linalg.norm(f), rel=1e-6)
    assert relative <= 1e-6 and len(calls) == 2


def test_zero_source_gives_the_zero_solution(backend, rng):
    """x = 0 exactly solves it; the tolerance is relative to A x at the start."""
    a, _ = conductances(rng, GRID, 10.0)
    x = padded(GRID, rng.normal(size=GRID.shape))
    start = np.abs(x).max()
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-12)
    relative = solver.solve(a, couplings(rng, GRID, 0.3), np.zeros(GRID.padded), x)
    assert 0 < relative <= 1e-12 and np.abs(x).max() < 1e-9 * start
    assert 0 < solver.iterations < 30


def test_solved_problems_take_no_iterations(backend, rng):
    """No source from a zero start, a start that is the solution, no conductance: 0 iterations."""
    a, _ = conductances(rng, GRID, 10.0)
    zero = np.zeros(GRID.padded)
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-10)
    x = zero.copy()
    assert solver.solve(a, couplings(rng, GRID, 0.3), zero, x) == 0.0 and not x.any()
    assert solver.iterations == 0
    b, f = couplings(rng, GRID, 0.3), padded(GRID, rng.normal(size=GRID.shape))
    solver.solve(a, b, f, x)
    again = x.copy()
    solver.solve(a, b, f, x)
    assert solver.iterations == 0 and (x == again).all()
    assert solver.solve(0.0 * a, zero, f, x) == 0.0 and (x == again).all()


def test_warm_start_saves_iterations(backend, rng):
    """The source changed by 1e-3: fewer iterations than from zero, the same answer."""
    a, _ = conductances(rng, GRID, 1e3)
    b, f = couplings(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape))
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-10)
    cold, warm_start = np.zeros(GRID.padded), np.zeros(GRID.padded)
    solver.solve(a, b, f, warm_start)
    changed = f * (1 + 1e-3 * rng.normal(size=f.shape))
    solver.solve(a, b, changed, cold)
    needed = solver.iterations
    solver.solve(a, b, changed, warm_start)
    assert solver.iterations < needed
    np.testing.assert_allclose(warm_start, cold, atol=1e-6 * np.abs(cold).max())


def test_multigrid_hierarchy_is_reused(backend, rng):
    """reuse=True: another source without any set-up, and the solution of a fresh solver."""
    a, _ = conductances(rng, GRID, 1e3)
    b = couplings(rng, GRID, 0.2)
    first, second = (padded(GRID, rng.normal(size=GRID.shape)) for _ in range(2))
    solver, calls = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-11), []
    do = solver.multigrid.do
    scale, coarsen = do["scale_operator"], do["coarsen"]
    do["scale_operator"] = lambda *values: (calls.append("scale_operator"), scale(*values))
    do["coarsen"] = lambda *values: (calls.append("coarsen"), coarsen(*values))
    solver.solve(a, b, first, np.zeros(GRID.padded))
    assert calls.count("scale_operator") == 1
    assert calls.count("coarsen") == len(solver.multigrid.cells)
    count, x, fresh = len(calls), np.zeros(GRID.padded), np.zeros(GRID.padded)
    solver.solve(a, b, second, x, reuse=True)
    assert len(calls) == count and solver.iterations > 0
    EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-11).solve(a, b, second, fresh)
    assert (x == fresh).all()
    solver.solve(a, b, first, x)
    assert len(calls) == 2 * count


def stretched(face, axis):
    """Return face conductances, 30 times as large along one axis."""
    return face * np.where(np.arange(3) == axis, 30.0, 1.0).reshape(3, 1, 1, 1)


def test_problems_in_turn_are_solved_as_by_solvers_of_their_own(backend, rng):
    """Two quantities on one solver, three times each, connected along x and along z.

    Their hierarchies differ and are both kept; each solution has the bits of a solver that knows
    no other problem. What a solver shares has zeros in its ghosts throughout.
    """
    grid = Grid((12, 10, 11), (1.0, 1.0, 1.0))
    face, _ = conductances(rng, grid, 1e2)
    b = couplings(rng, grid, 0.1)
    shared, made = EllipticSolver(grid, backend, Domain(grid), tolerance=1e-9), []
    problems = {"potential": (stretched(face, 2), b), "head": (stretched(face, 0), b)}
    own = {name: EllipticSolver(grid, backend, Domain(grid), tolerance=1e-9) for name in problems}
    for _ in range(3):
        for name, operator in problems.items():
            f = padded(grid, rng.normal(size=grid.shape))
            x, alone = np.zeros(grid.padded), np.zeros(grid.padded)
            shared.solve(*operator, f, x, name)
            own[name].solve(*operator, f, alone, name)
            assert shared.operator_of == name and np.array_equal(x, alone)
            made.append(shared.multigrid.hierarchy)
    assert made[0] is made[2] is made[4] and made[1] is made[3] is not made[0]
    for array in shared.scratch.arrays:
        array[grid.inner] = 0.0
        assert not array.any()


def test_another_operator_leaves_no_trace_of_the_last_one(backend, rng):
    """Strongly connected along x first, then along z; NaN left in p as by an overflow.

    Levels of other shapes, and the solution of a fresh solver to the last bit.
    """
    grid = Grid((12, 10, 11), (1.0, 1.0, 1.0))
    face, _ = conductances(rng, grid, 1e2)
    b, f = couplings(rng, grid, 0.1), padded(grid, rng.normal(size=grid.shape))
    solver = EllipticSolver(grid, backend, Domain(grid), tolerance=1e-11)
    solver.solve(stretched(face, 2), b, f, np.zeros(grid.padded))
    assert solver.multigrid.cells[0] == (6, 10, 11)
    solver.p[...] = np.nan
    x, fresh = np.zeros(grid.padded), np.zeros(grid.padded)
    solver.solve(stretched(face, 0), b, f, x)
    assert solver.multigrid.cells[0] == (12, 10, 6)
    other = EllipticSolver(grid, backend, Domain(grid), tolerance=1e-11)
    other.solve(stretched(face, 0), b, f, fresh)
    assert (x == fresh).all()


def test_units_of_any_size_give_the_same_solution(backend, rng):
    """Conductances, couplings and source in units of 2^-300: x is the same to the last bit.

    float32 ends at 2^-149; the levels are kept in units of the mean conductance, and a power of
    two rounds nothing.
    """
    a, _ = conductances(rng, GRID, 1e3)
    b, f = couplings(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape))
    solutions = []
    for unit in 1.0, 2.0**-300, 2.0**300:
        x = np.zeros(GRID.padded)
        EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-11).solve(
            unit * a, unit * b, unit * f, x)
        solutions.append(x)
    assert (solutions[0] == solutions[1]).all() and (solutions[0] == solutions[2]).all()


@pytest.mark.parametrize("coupled", [True, False])
def test_extrapolated_start_saves_iterations(backend, rng, coupled):
    """Sources that grow evenly: the third solution lies on the line through two, exactly.

    x(t) = x0 + t x1 needs no iteration from the second step on, for the extrapolated start is
    the solution to the tolerance of the earlier ones; without it the same solve iterates. A
    source that turns round is found as well, by extrapolating backwards: the step minimises the
    error.
    """
    a, _ = conductances(rng, GRID, 1e2)
    b = couplings(rng, GRID, 0.2 * coupled)
    f0, f1 = (padded(GRID, rng.normal(size=GRID.shape)) for _ in range(2))
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-12)
    x, trend = np.zeros(GRID.padded), np.zeros(GRID.padded)
    for t in (0.0, 0.1):
        solver.solve(a, b, f0 + t * f1, x, trend=trend)
    solver.tolerance = 1e-9
    for t in (0.3, 0.05):
        plain = x.copy()
        solver.solve(a, b, f0 + t * f1, plain)
        assert solver.iterations > 2
        before = x.copy()
        assert solver.solve(a, b, f0 + t * f1, x, trend=trend) <= 1e-9
        assert solver.iterations <= 1
        np.testing.assert_allclose(x, plain, atol=1e-6 * np.abs(plain).max())
        np.testing.assert_allclose(trend, x - before, atol=1e-15)


def test_constant_trend_of_a_singular_problem_has_no_effect(backend, rng):
    """It does not change the error (0 / 0): the solution is that without a trend."""
    a, _ = conductances(rng, GRID, 1e2)
    f, zero = padded(GRID, rng.normal(size=GRID.shape)), np.zeros(GRID.padded)
    x, plain = np.zeros(GRID.padded), np.zeros(GRID.padded)
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-11)
    solver.solve(a, zero, f, plain)
    solver.solve(a, zero, f, x, trend=padded(GRID, np.ones(GRID.shape)))
    np.testing.assert_allclose(x, plain, atol=1e-9 * np.abs(plain).max())


def test_start_within_tolerance_leaves_no_trend(backend, rng):
    """The change of x is rounding then, in time a constant, which would mislead.

    A column is solved directly, a box from its own solution: no iteration, the trend is zero, and
    another source is solved as without one.
    """
    for grid in (Grid((13, 1, 1), (1.0, 1.0, 1.0)), GRID):
        a = np.zeros((3, *grid.padded))
        for axis, face in enumerate(a):
            faces(face, axis)[...] = 1.0
            for outer in (0, -1):
                np.moveaxis(faces(face, axis), axis, 0)[outer] = 0.0
        zero, x, trend, plain = (np.zeros(grid.padded) for _ in range(4))
        solver = EllipticSolver(grid, backend, Domain(grid), tolerance=1e-11)
        f = padded(grid, rng.normal(size=grid.shape))
        solver.solve(a, zero, f, x)
        trend[grid.inner] = 1e-20 + 1e-30 * rng.normal(size=grid.shape)
        for _ in range(2):
            solver.solve(a, zero, f, x, trend=trend)
            assert solver.iterations == 0 and not trend.any()
        f = padded(grid, rng.normal(size=grid.shape))
        solver.solve(a, zero, f, x, trend=trend)
        solver.solve(a, zero, f, plain)
        np.testing.assert_allclose(x, plain, atol=1e-9 * np.abs(plain).max())


def test_error_names_the_quantity_and_the_residual(backend, rng):
    """Three iterations do not solve 210 unknowns: the message has the field and the residual."""
    a, _ = conductances(rng, GRID, 1e6)
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-10, max_iterations=3)
    with pytest.raises(ConvergenceError,
                       match="head: .*after 3 iterations.*required 1e-10.*contrast"):
        solver.solve(a, couplings(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape)),
                     np.zeros(GRID.padded), "head")


@pytest.mark.parametrize("iterations", [1, 2, 5, 9])
def test_residual_between_iterations_is_the_true_one(backend, rng, iterations):
    """Computed from sums taken before the step, |r - alpha A p| still equals |f - A x|.

    The message has two digits of it: 5 per cent.
    """
    a, _ = conductances(rng, GRID, 1e3)
    b, f = couplings(rng, GRID, 0.2), padded(GRID, rng.normal(size=GRID.shape))
    x = np.zeros(GRID.padded)
    solver = EllipticSolver(GRID, backend, Domain(GRID), tolerance=1e-12, max_iterations=iterations)
    with pytest.raises(ConvergenceError) as error:
        solver.solve(a, b, f, x)
    Ax = np.zeros(GRID.padded)
    apply_operator(GRID, a, b, x, Ax)
    relative = np.linalg.norm((f - Ax)[GRID.inner]) / np.linalg.norm(f[GRID.inner])
    stated = float(re.search("residual of ([^ ]+)", str(error.value))[1])
    assert stated == pytest.approx(relative, 0.05)
