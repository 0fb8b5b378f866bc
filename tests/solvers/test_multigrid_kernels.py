"""The kernels of the elliptic solver beside their NumPy twins, arithmetic in another order.

Every bound is a number of roundings of the sum of the absolute terms: what reordering may cost.
"""

import itertools

import numpy as np
import pytest
from helpers.kernel_outputs import SHAPES, assert_only_inner, poisoned

from ekm3d.grid.grid import GHOST, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers import elliptic, multigrid
from ekm3d.solvers.multigrid import Level, Multigrid

EPS = np.finfo(np.float32).eps
SPACING = (0.1, 0.2, 0.3)


def grid_of(cells):
    """Segments of 32 voxels, the last one cut off, where the grid is long enough to have any."""
    return Grid(cells, SPACING, segment=32 if cells[0] > 8 else 1)


def by_span(grid, values):
    """Sums over every segment of inner values (..., nz, ny, nx)."""
    return np.add.reduceat(values, np.arange(0, grid.shape[2], grid.segment), axis=-1)


def inner(grid, values):
    """A padded array, zero ghosts, of the type of the values."""
    return np.pad(values, GHOST)


def medium(rng, grid, closed=0.3):
    """face, link, inverse of a random medium over three decades; a share of all is closed."""
    def random():
        values = 10.0 ** rng.uniform(-3, 0, grid.shape) * (rng.random(grid.shape) >= closed)
        return np.pad(values, GHOST).astype(np.float32)

    face = np.stack([random() for _ in range(3)])
    for axis in range(3):                            # the box is closed
        np.moveaxis(face[axis], axis, 0)[-GHOST - 1] = 0
    level = Level(grid, np.zeros(Level.ARRAYS * np.prod(grid.padded), np.float32))
    level.face[:], level.link[:] = face, random()
    multigrid.invert_diagonal(grid, level.face, level.link, level.inverse)
    return level


def vectors(rng, grid, count=2):
    return [inner(grid, rng.normal(size=grid.shape)).astype(np.float32) for _ in range(count)]


def terms(level, b, x):
    """Sum of the absolute terms of b - A x, padded."""
    size = abs(b) + level.link * abs(x)
    for axis in range(3):
        over = level.face[axis] * (abs(x) + np.roll(abs(x), -1, axis))
        size = size + over + np.roll(over, 1, axis)
    return size


def assert_near(grid, wanted, given, scale, roundings):
    """Within so many roundings of scale, element by element on the inner voxels."""
    error = abs(given.astype(float) - wanted)[grid.inner]
    assert (error <= roundings * EPS * np.broadcast_to(scale, wanted.shape)[grid.inner]).all()


def halvings(grid):
    """Every way to coarsen a grid: along any of its axes that can be halved."""
    for halved in itertools.product((False, True), repeat=3):
        if all(n > 1 for n, h in zip(grid.cells, halved) if h):
            yield Grid(tuple((n + 1) // 2 if h else n for n, h in zip(grid.cells, halved)), SPACING)


@pytest.mark.parametrize("cells", SHAPES)
def test_smoothing(host, rng, cells):
    """Both steps from zero, one step from x, and one with its sums, where nothing is left."""
    grid = grid_of(cells)
    level = medium(rng, grid)
    b, x = vectors(rng, grid)
    scale = abs(x) + 2 * level.inverse * terms(level, b, x)
    wanted, given = poisoned(grid.padded).astype("f4"), poisoned(grid.padded).astype("f4")
    multigrid.smooth(grid, *level.operator, b, x, 0.7, wanted)
    host.bind(multigrid.smooth)(grid, *level.operator, b, x, 0.7, given)
    assert_only_inner(grid, wanted, given)
    assert_near(grid, wanted, given, scale, 20)
    assert not given[grid.inner][level.inverse[grid.inner] == 0].any()

    rows = poisoned((2, *grid.shape[:2], grid.segments))
    summed = [poisoned(grid.padded).astype("f4") for _ in range(2)]
    multigrid.smooth_and_sum(grid, *level.operator, b, x, 0.7, summed[0], rows[0])
    host.bind(multigrid.smooth_and_sum)(grid, *level.operator, b, x, 0.7, summed[1], rows[1])
    assert np.array_equal(summed[0], wanted, equal_nan=True)
    assert_near(grid, wanted, summed[1], scale, 20)
    exact = by_span(grid, (b.astype(float) * summed[1])[grid.inner])
    np.testing.assert_allclose(rows[1], exact, rtol=0, atol=1e-14 * abs(b[grid.inner]).max() * (
        abs(summed[1][grid.inner]).max() * grid.shape[2]))
    assert abs(rows[0] - rows[1]).max() <= 40 * EPS * (abs(b) * scale)[grid.inner].sum(2).max()

    first = multigrid.FIRST * level.inverse * b
    scale = abs(first) + 2 * level.inverse * terms(level, b, first)
    multigrid.smooth_from_zero(grid, *level.operator, b, wanted)
    host.bind(multigrid.smooth_from_zero)(grid, *level.operator, b, given)
    assert_only_inner(grid, wanted, given)
    assert_near(grid, wanted, given, scale, 20)
    twice = [np.zeros(grid.padded, np.float32) for _ in range(2)]
    multigrid.smooth(grid, *level.operator, b, np.zeros_like(b), multigrid.FIRST, twice[0])
    multigrid.smooth(grid, *level.operator, b, twice[0], multigrid.SECOND, twice[1])
    assert_near(grid, twice[1], given, scale, 20)


@pytest.mark.parametrize("cells", SHAPES)
def test_transfer_and_coarse_faces(host, rng, cells):
    """Down, up, and the coarse operator, for every choice of axes; odd grids have ghost children.

    A coarse sum has up to 8 children of 15 terms each; a coarse face up to 4 terms.
    """
    grid = grid_of(cells)
    level = medium(rng, grid)
    b, x = vectors(rng, grid)
    for coarse in halvings(grid):
        wanted, given = poisoned(coarse.padded).astype("f4"), poisoned(coarse.padded).astype("f4")
        inputs = level.face, level.link, b, x
        multigrid.restrict_residual(grid, coarse, *inputs, wanted)
        host.bind(multigrid.restrict_residual)(grid, coarse, *inputs, given)
        assert_only_inner(coarse, wanted, given)
        scale = inner(coarse, multigrid.children(terms(level, b, x), grid, coarse).sum((1, 3, 5)))
        assert_near(coarse, wanted, given, scale, 25)

        up, = vectors(rng, coarse, 1)
        wanted, given = x.copy(), x.copy()
        multigrid.prolong(grid, coarse, up, wanted)
        host.bind(multigrid.prolong)(grid, coarse, up, given)
        assert np.array_equal(wanted, given)                 # one addition: nothing to reorder

        both = [(poisoned((3, *coarse.padded)).astype("f4"), poisoned(coarse.padded).astype("f4"))
                for _ in range(2)]
        multigrid.coarsen(grid, coarse, level.face, level.link, *both[0])
        host.bind(multigrid.coarsen)(grid, coarse, level.face, level.link, *both[1])
        for w, g in zip(both[0], both[1]):
            assert_only_inner(coarse, *(w if w.ndim == 4 else [w]), *(g if g.ndim == 4 else [g]))
            assert_near(coarse, w, g, w, 8)
        inverse = [poisoned(coarse.padded).astype("f4") for _ in range(2)]
        operator = [np.nan_to_num(a) for a in both[0]]
        multigrid.invert_diagonal(coarse, *operator, inverse[0])
        host.bind(multigrid.invert_diagonal)(coarse, *operator, inverse[1])
        assert_only_inner(coarse, *inverse)
        assert_near(coarse, inverse[0], inverse[1], inverse[0], 8)


@pytest.mark.parametrize("cells", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e40])
def test_taking_up_an_operator(host, rng, cells, scale):
    """Sums in float64, and the finest level in float32; units of any size come out right."""
    grid = grid_of(cells)
    level = medium(rng, grid)
    az, ay, ax = (face.astype(float) / scale for face in level.face)
    b = level.link.astype(float) / scale
    rows = poisoned((2, 5, *grid.shape[:2], grid.segments))
    multigrid.survey(grid, ax, ay, az, b, rows[0])
    host.bind(multigrid.survey)(grid, ax, ay, az, b, rows[1])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-14)
    assert np.array_equal(rows[0][4], by_span(grid, 1.0 * (level.inverse[grid.inner] > 0)))
    for n, a in enumerate((az, ay, ax, b)):
        np.testing.assert_allclose(rows[0][n], by_span(grid, a[grid.inner]), rtol=1e-14)
    for body in (multigrid.convert, host.bind(multigrid.convert)):
        face, link, inverse = (np.zeros_like(a) for a in level.operator)
        body(grid, ax, ay, az, b, scale, face, link, inverse)
        for a, given in zip(level.operator, (face, link, inverse)):
            np.testing.assert_allclose(given, a, rtol=4 * EPS)


@pytest.mark.parametrize("cells", [(9, 7, 5), (1, 12, 4), (26, 1, 1), (3, 3, 3)])
@pytest.mark.parametrize("start", [multigrid.FROM_ZERO, multigrid.SMOOTH])
def test_the_cycle_through_small_levels(host, rng, cells, start):
    """All steps in one launch give what they give one by one: 1e-5 of the largest x.

    The values passed on differ by roundings of 6e-8 at each of some 20 sweeps, hence 1e-5.
    """
    grid = Grid(cells, (1.0, 1.0, 1.0))
    m = Multigrid(grid, host, Domain(grid))
    level = medium(rng, grid, closed=0.1)
    m.take(*(face.astype(float) for face in level.face[::-1]), level.link.astype(float))
    m.build()
    n = m.small
    top = m.levels[n]
    top.b[:], top.x[:] = vectors(rng, top.grid)
    steps = m.small_steps[start].reshape(-1)
    stores = [m.store.copy(), m.store.copy()]
    for store, body in zip(stores, (multigrid.small_cycle, host.bind(multigrid.small_cycle))):
        body(top.grid, m.table, steps, m.table.size, steps.size, store.size, store)
    x = [Level(top.grid, store).x for store in stores]
    assert abs(x[0] - x[1]).max() <= 1e-5 * abs(x[0]).max()
    assert not np.array_equal(x[0], top.x)
    ghosts = np.ones(top.grid.padded, bool)
    ghosts[top.grid.inner] = False
    assert not x[0][ghosts].any() and not x[1][ghosts].any()


@pytest.mark.parametrize("cells", SHAPES)
def test_vector_work_of_conjugate_gradients(host, rng, cells):
    """The operator on a direction, and the updates: bodies agree to a few roundings of a term."""
    grid = grid_of(cells)
    level = medium(rng, grid)
    ax, ay, az = (face.astype(float) for face in level.face[::-1])
    b = level.link.astype(float)
    p, z = vectors(rng, grid)
    f, x, r, image = (inner(grid, rng.normal(size=grid.shape)) for _ in range(4))
    for op, inputs, shapes in (
            (elliptic.apply_to_direction, (ax, ay, az, b, p, r), ("v", "3 sums")),
            (elliptic.residual, (f, image, level.inverse, 0.3), ("v", "3 sums")),
            (elliptic.reduce_residual, (r, 17.0), ("single",))):
        out = [[_output(grid, s) for s in shapes] for _ in range(2)]
        op(grid, *inputs, *out[0])
        host.bind(op)(grid, *inputs, *out[1])
        for s, w, g in zip(shapes, *out):
            np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-12 * grid.shape[2])
            if s in ("v", "single"):
                assert_only_inner(grid, w, g)
    none = np.zeros((*grid.shape[:2], grid.segments))
    out = [[a.copy() for a in (x, r, z, none)] for _ in range(2)]
    elliptic.advance(grid, p, image, 0.6, 3.0, *out[0])
    host.bind(elliptic.advance)(grid, p, image, 0.6, 3.0, *out[1])
    for w, g, exact in zip(*out, (x + 0.6 * p, r - 0.6 * image, 3 * (r - 0.6 * image), None)):
        np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-13)
        if exact is not None:
            np.testing.assert_allclose(g[grid.inner], exact[grid.inner], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(out[1][3], by_span(grid, (out[1][1]**2)[grid.inner]), rtol=1e-13)
    out = [[a.copy() for a in (x, r, none)] for _ in range(2)]
    elliptic.lift(grid, b, level.inverse, 0.6, *out[0])
    host.bind(elliptic.lift)(grid, b, level.inverse, 0.6, *out[1])
    for w, g, exact in zip(*out, (x + 0.6 * (level.inverse > 0), r - 0.6 * b, None)):
        np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-13)
        if exact is not None:
            np.testing.assert_allclose(g, exact, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(out[1][2], by_span(grid, (out[1][1]**2)[grid.inner]), rtol=1e-13)
    trend = inner(grid, rng.normal(size=grid.shape))
    out = [[a.copy() for a in (trend, x, r)] for _ in range(2)]
    elliptic.follow(grid, image, 0.6, *out[0])
    host.bind(elliptic.follow)(grid, image, 0.6, *out[1])
    for w, g, exact in zip(*out, (-x, x + 0.6 * trend, r - 0.6 * image)):
        np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(g, exact, rtol=1e-13, atol=1e-13)
    p2 = [p.copy(), p.copy()]
    elliptic.redirect(grid, z, 0.3, p2[0])
    host.bind(elliptic.redirect)(grid, z, 0.3, p2[1])
    np.testing.assert_allclose(p2[1], p2[0], atol=4 * EPS)
    np.testing.assert_allclose(p2[0], z + 0.3 * p, atol=4 * EPS)


def _output(grid, kind):
    if kind == "single":
        return poisoned(grid.padded).astype("f4")
    sums = *grid.shape[:2], grid.segments
    return poisoned({"v": grid.padded, "3 sums": (3, *sums)}[kind])
