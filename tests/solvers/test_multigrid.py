"""Kernels of multigrid and conjugate gradients against their NumPy twins.

Every bound is a number of roundings of the sum of the absolute terms: the cost of reordering.
"""

import numpy as np
import pytest
from helpers.kernel_outputs import SHAPES, assert_only_inner, poisoned
from helpers.multigrid_levels import grid_of, halvings, inner, medium, vectors

from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers import elliptic, multigrid
from ekm3d.solvers.multigrid import Level
from ekm3d.solvers.multigrid_cycle import Multigrid

EPS = np.finfo(np.float32).eps


def by_segment(grid, values):
    """Return sums over every segment of inner values (..., nz, ny, nx)."""
    return np.add.reduceat(values, np.arange(0, grid.shape[2], grid.segment), axis=-1)


def terms(level, b, x):
    """Return the sum of the absolute terms of b - A x, padded."""
    size = abs(b) + level.coupling * abs(x)
    for axis in range(3):
        over = level.face[axis] * (abs(x) + np.roll(abs(x), -1, axis))
        size = size + over + np.roll(over, 1, axis)
    return size


def assert_near(grid, wanted, given, scale, roundings):
    """Assert agreement within so many roundings of scale, on every inner voxel."""
    error = abs(given.astype(float) - wanted)[grid.inner]
    assert (error <= roundings * EPS * np.broadcast_to(scale, wanted.shape)[grid.inner]).all()


@pytest.mark.parametrize("cells", SHAPES)
def test_smoothing(host, rng, cells):
    """Both steps from zero, one step from x, and one with its sums; inactive voxels get 0."""
    grid = grid_of(cells)
    level = medium(rng, grid)
    b, x = vectors(rng, grid)
    scale = abs(x) + 2 * level.inverse_diagonal * terms(level, b, x)
    wanted, given = poisoned(grid.padded).astype("f4"), poisoned(grid.padded).astype("f4")
    multigrid.smooth(grid, *level.operator, b, x, 0.7, wanted)
    host.bind(multigrid.smooth)(grid, *level.operator, b, x, 0.7, given)
    assert_only_inner(grid, wanted, given)
    assert_near(grid, wanted, given, scale, 20)
    assert not given[grid.inner][level.inverse_diagonal[grid.inner] == 0].any()

    rows = poisoned((2, *grid.shape[:2], grid.segments))
    summed = [poisoned(grid.padded).astype("f4") for _ in range(2)]
    multigrid.smooth_and_sum(grid, *level.operator, b, x, 0.7, summed[0], rows[0])
    host.bind(multigrid.smooth_and_sum)(grid, *level.operator, b, x, 0.7, summed[1], rows[1])
    assert np.array_equal(summed[0], wanted, equal_nan=True)
    assert_near(grid, wanted, summed[1], scale, 20)
    exact = by_segment(grid, (b.astype(float) * summed[1])[grid.inner])
    np.testing.assert_allclose(rows[1], exact, rtol=0, atol=1e-14 * abs(b[grid.inner]).max() * (
        abs(summed[1][grid.inner]).max() * grid.shape[2]))
    assert abs(rows[0] - rows[1]).max() <= 40 * EPS * (abs(b) * scale)[grid.inner].sum(2).max()

    first = multigrid.FIRST * level.inverse_diagonal * b
    scale = abs(first) + 2 * level.inverse_diagonal * terms(level, b, first)
    multigrid.smooth_from_zero(grid, *level.operator, b, wanted)
    host.bind(multigrid.smooth_from_zero)(grid, *level.operator, b, given)
    assert_only_inner(grid, wanted, given)
    assert_near(grid, wanted, given, scale, 20)
    twice = [np.zeros(grid.padded, np.float32) for _ in range(2)]
    multigrid.smooth(grid, *level.operator, b, np.zeros_like(b), multigrid.FIRST, twice[0])
    multigrid.smooth(grid, *level.operator, b, twice[0], multigrid.SECOND, twice[1])
    assert_near(grid, twice[1], given, scale, 20)


@pytest.mark.parametrize("cells", SHAPES)
def test_restriction_prolongation_and_coarse_operator(host, rng, cells):
    """For every choice of coarsened axes; odd grids have ghost children.

    A coarse sum has up to 8 children of 15 terms each; a coarse face up to 4 terms.
    """
    grid = grid_of(cells)
    level = medium(rng, grid)
    b, x = vectors(rng, grid)
    for coarse in halvings(grid):
        wanted, given = poisoned(coarse.padded).astype("f4"), poisoned(coarse.padded).astype("f4")
        inputs = level.face, level.coupling, b, x
        multigrid.restrict_residual(grid, coarse, *inputs, wanted)
        host.bind(multigrid.restrict_residual)(grid, coarse, *inputs, given)
        assert_only_inner(coarse, wanted, given)
        children = multigrid.by_children(terms(level, b, x), grid, coarse)
        scale = inner(coarse, children.sum((1, 3, 5)))
        assert_near(coarse, wanted, given, scale, 25)

        up, = vectors(rng, coarse, 1)
        wanted, given = x.copy(), x.copy()
        multigrid.prolong(grid, coarse, up, wanted)
        host.bind(multigrid.prolong)(grid, coarse, up, given)
        assert np.array_equal(wanted, given)                 # one addition: nothing to reorder

        both = [(poisoned((3, *coarse.padded)).astype("f4"), poisoned(coarse.padded).astype("f4"))
                for _ in range(2)]
        multigrid.coarsen(grid, coarse, level.face, level.coupling, *both[0])
        host.bind(multigrid.coarsen)(grid, coarse, level.face, level.coupling, *both[1])
        for w, g in zip(*both, strict=True):
            assert_only_inner(coarse, *(w if w.ndim == 4 else [w]), *(g if g.ndim == 4 else [g]))
            assert_near(coarse, w, g, w, 8)
        inverses = [poisoned(coarse.padded).astype("f4") for _ in range(2)]
        operator = [np.nan_to_num(a) for a in both[0]]
        multigrid.invert_diagonal(coarse, *operator, inverses[0])
        host.bind(multigrid.invert_diagonal)(coarse, *operator, inverses[1])
        assert_only_inner(coarse, *inverses)
        assert_near(coarse, inverses[0], inverses[1], inverses[0], 8)


@pytest.mark.parametrize("cells", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e40])
def test_sums_and_scaling_of_an_operator(host, rng, cells, scale):
    """Sums in float64, and the finest level in float32; units of any size."""
    grid = grid_of(cells)
    level = medium(rng, grid)
    face = level.face.astype(float) / scale
    b = level.coupling.astype(float) / scale
    rows = poisoned((2, 5, *grid.shape[:2], grid.segments))
    multigrid.sum_coefficients(grid, face, b, rows[0])
    host.bind(multigrid.sum_coefficients)(grid, face, b, rows[1])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-14)
    active = level.inverse_diagonal[grid.inner] > 0
    assert np.array_equal(rows[0][4], by_segment(grid, 1.0 * active))
    for n, a in enumerate((*face, b)):
        np.testing.assert_allclose(rows[0][n], by_segment(grid, a[grid.inner]), rtol=1e-14)
    for body in (multigrid.scale_operator, host.bind(multigrid.scale_operator)):
        scaled = [np.zeros_like(a) for a in level.operator]
        body(grid, face, b, scale, *scaled)
        for a, given in zip(level.operator, scaled, strict=True):
            np.testing.assert_allclose(given, a, rtol=4 * EPS)


@pytest.mark.parametrize("cells", [(9, 7, 5), (1, 12, 4), (26, 1, 1), (3, 3, 3)])
@pytest.mark.parametrize("start", [multigrid.FROM_ZERO, multigrid.SMOOTH])
def test_small_cycle(host, rng, cells, start):
    """All steps in one launch equal single steps: 1e-5 of the largest x.

    The values of the levels differ by roundings of 6e-8 at each of some 20 sweeps, hence 1e-5.
    """
    grid = Grid(cells, (1.0, 1.0, 1.0))
    m = Multigrid(grid, host, Domain(grid))
    level = medium(rng, grid, closed=0.1)
    m.set_operator(level.face.astype(float), level.coupling.astype(float))
    m.build_hierarchy()
    h = m.hierarchy
    first = h.levels[h.small]
    first.b[:], first.x[:] = vectors(rng, first.grid)
    steps = m.small_steps[start].reshape(-1)
    stores = [h.store.copy(), h.store.copy()]
    bodies = multigrid.small_cycle, host.bind(multigrid.small_cycle)
    for store, body in zip(stores, bodies, strict=True):
        body(first.grid, h.table, steps, h.table.size, steps.size, store.size, store)
    x = [Level(first.grid, store).x for store in stores]
    assert abs(x[0] - x[1]).max() <= 1e-5 * abs(x[0]).max()
    assert not np.array_equal(x[0], first.x)
    ghosts = np.ones(first.grid.padded, bool)
    ghosts[first.grid.inner] = False
    assert not x[0][ghosts].any() and not x[1][ghosts].any()


@pytest.mark.parametrize("cells", SHAPES)
def test_vector_work_of_conjugate_gradients(host, rng, cells):
    """Operator on a direction, and the updates: bodies agree to a few roundings of a term."""
    grid = grid_of(cells)
    level = medium(rng, grid)
    face, b = level.face.astype(float), level.coupling.astype(float)
    p, z = vectors(rng, grid)
    f, x, r, Ap = (inner(grid, rng.normal(size=grid.shape)) for _ in range(4))
    for op, inputs, shapes in (
            (elliptic.apply_to_direction, (face, b, p, r), ("v", "3 sums")),
            (elliptic.residual, (f, Ap, level.inverse_diagonal, 0.3), ("v", "3 sums")),
            (elliptic.scale_residual, (r, 17.0), ("single",))):
        out = [[_output(grid, s) for s in shapes] for _ in range(2)]
        op(grid, *inputs, *out[0])
        host.bind(op)(grid, *inputs, *out[1])
        for s, w, g in zip(shapes, *out, strict=True):
            np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-12 * grid.shape[2])
            if s in ("v", "single"):
                assert_only_inner(grid, w, g)
    none = np.zeros((*grid.shape[:2], grid.segments))
    out = [[a.copy() for a in (x, r, z, none)] for _ in range(2)]
    elliptic.update_solution(grid, p, Ap, 0.6, 3.0, *out[0])
    host.bind(elliptic.update_solution)(grid, p, Ap, 0.6, 3.0, *out[1])
    for w, g, exact in zip(*out, (x + 0.6 * p, r - 0.6 * Ap, 3 * (r - 0.6 * Ap), None),
                           strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-13)
        if exact is not None:
            np.testing.assert_allclose(g[grid.inner], exact[grid.inner], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(out[1][3], by_segment(grid, (out[1][1]**2)[grid.inner]), rtol=1e-13)
    out = [[a.copy() for a in (x, r, none)] for _ in range(2)]
    elliptic.remove_mean_residual(grid, b, level.inverse_diagonal, 0.6, *out[0])
    host.bind(elliptic.remove_mean_residual)(grid, b, level.inverse_diagonal, 0.6, *out[1])
    for w, g, exact in zip(*out, (x + 0.6 * (level.inverse_diagonal > 0), r - 0.6 * b, None),
                           strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-13)
        if exact is not None:
            np.testing.assert_allclose(g, exact, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(out[1][2], by_segment(grid, (out[1][1]**2)[grid.inner]), rtol=1e-13)
    trend = inner(grid, rng.normal(size=grid.shape))
    out = [[a.copy() for a in (trend, x, r)] for _ in range(2)]
    elliptic.extrapolate(grid, Ap, 0.6, *out[0])
    host.bind(elliptic.extrapolate)(grid, Ap, 0.6, *out[1])
    for w, g, exact in zip(*out, (-x, x + 0.6 * trend, r - 0.6 * Ap), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(g, exact, rtol=1e-13, atol=1e-13)
    p2 = [p.copy(), p.copy()]
    elliptic.update_direction(grid, z, 0.3, p2[0])
    host.bind(elliptic.update_direction)(grid, z, 0.3, p2[1])
    np.testing.assert_allclose(p2[1], p2[0], atol=4 * EPS)
    np.testing.assert_allclose(p2[0], z + 0.3 * p, atol=4 * EPS)


def _output(grid, kind):
    """Return a poisoned output array of a kind."""
    if kind == "single":
        return poisoned(grid.padded).astype("f4")
    sums = *grid.shape[:2], grid.segments
    return poisoned({"v": grid.padded, "3 sums": (3, *sums)}[kind])
