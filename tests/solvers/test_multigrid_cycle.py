"""Multigrid preconditioner: hierarchy, symmetry, positivity, and iterations of the solver."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.elliptic_problems import conductances, correlated, couplings, matrix, ore, padded

from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers import agglomeration, multigrid_cycle
from ekm3d.solvers.elliptic import EllipticSolver, apply_operator
from ekm3d.solvers.multigrid import FROM_ZERO, PROLONG, RESTRICT, SMOOTH, SOLVE
from ekm3d.solvers.multigrid_cycle import Multigrid, coarse_cells, cycle_steps


def solved(grid, backend, a, b, f, tolerance=1e-8):
    """Return (solver, x, true relative residual) from a zero start."""
    solver, x, Ax = (EllipticSolver(grid, backend, Domain(grid), tolerance),
                     np.zeros(grid.padded), np.zeros(grid.padded))
    solver.solve(a, b, f, x)
    apply_operator(grid, a, b, x, Ax)
    active = padded(grid, np.ones(grid.shape)) * (solver.multigrid.finest.inverse_diagonal > 0)
    return solver, x, np.linalg.norm((f - Ax) * active) / np.linalg.norm(f * active)


# ---- the hierarchy -----------------------------------------------------------------------

def test_cubes_of_any_size_are_coarsened_along_all_axes():
    """Down to one voxel, odd numbers rounded up; a single voxel still has a level below."""
    assert coarse_cells((8, 8, 8), [3, 3, 3]) == [(4, 4, 4), (2, 2, 2), (1, 1, 1)]
    assert coarse_cells((5, 1, 9), [1, 0, 1]) == [(3, 1, 5), (2, 1, 3), (1, 1, 2), (1, 1, 1)]
    assert coarse_cells((1, 1, 1), [0, 0, 0]) == [(1, 1, 1)]
    assert coarse_cells((4, 2, 1), [0, 0, 0]) == [(2, 1, 1), (1, 1, 1)]


def test_only_strongly_connected_axes_are_coarsened():
    """Conductance along z is 16 times the others': halving z alone divides that ratio by 4.

    g_z of a voxel twice as high is half, g_x and g_y are double. After two halvings of z the
    axes are alike. A ratio of 2 already counts as alike, of 2.1 not.
    """
    assert coarse_cells((8, 8, 8), [1, 1, 16]) == [(8, 8, 4), (8, 8, 2), (4, 4, 1), (2, 2, 1),
                                                   (1, 1, 1)]
    assert coarse_cells((4, 4, 4), [1, 1, 2])[0] == (2, 2, 2)
    assert coarse_cells((4, 4, 4), [1, 1, 2.1])[0] == (4, 4, 2)


def test_coarse_operator_of_a_uniform_medium_is_that_of_larger_voxels(backend):
    """Cubes of 1 m and 1 S/m have faces of 1 S; of 2 m, 2 S: 4 m2 over 2 m. Couplings sum to 8.

    Along x the grid is odd: the last coarse face lies between centres 1.5 m apart, but is treated
    as the others. Half of every coarsened axis: the rest of the arrays stays zero.
    """
    grid = Grid((7, 8, 4), (1.0, 1.0, 1.0))
    face, b = np.zeros((3, *grid.padded)), padded(grid, np.full(grid.shape, 0.01))
    for axis, a in enumerate(face):
        index = [slice(None)] * 3
        index[axis] = slice(0, -1)
        a[grid.inner][tuple(index)] = 1.0
    m = Multigrid(grid, backend, Domain(grid))
    m.set_operator(face, b)
    m.build_hierarchy()
    unit = m.hierarchy.levels[0].face.max()
    coarse = m.hierarchy.levels[1]
    assert coarse.grid.cells == (4, 4, 2)
    kz, ky, kx = coarse.face / unit
    np.testing.assert_allclose(kx[coarse.grid.inner][:, :, :3], 2.0, rtol=1e-6)
    np.testing.assert_allclose(ky[coarse.grid.inner][:, :3, :3], 2.0, rtol=1e-6)
    np.testing.assert_allclose(ky[coarse.grid.inner][:, :3, 3], 1.0, rtol=1e-6)
    np.testing.assert_allclose(kz[coarse.grid.inner][0], [[2, 2, 2, 1]] * 4, rtol=1e-6)
    for axis, k in enumerate((kz, ky, kx)):
        assert not np.moveaxis(k[coarse.grid.inner], axis, 0)[-1].any()
    np.testing.assert_allclose(coarse.coupling[coarse.grid.inner][:, :, :3] / unit, 0.08, rtol=1e-6)


def test_steps_of_a_cycle():
    """Down, the exact level, and up; large levels twice, the second time from the current x."""
    v = [(FROM_ZERO, 0), (RESTRICT, 0), (FROM_ZERO, 1), (RESTRICT, 1), (SOLVE, 2),
         (PROLONG, 1), (SMOOTH, 1), (PROLONG, 0), (SMOOTH, 0)]
    assert cycle_steps([64, 8, 1], 0) == cycle_steps([64, 8, 1], 0, w_cycle=True) == v
    sizes = [64000, 8000, 1000]
    assert cycle_steps(sizes, 0) == v
    assert cycle_steps(sizes, 0, w_cycle=True) == (
        v[:7] + [(SMOOTH, 1), (RESTRICT, 1), (SOLVE, 2)] + v[5:])
    assert cycle_steps(sizes, 0, True, end=1) == [
        (FROM_ZERO, 0), (RESTRICT, 0), (FROM_ZERO, 1), (SMOOTH, 1), (PROLONG, 0), (SMOOTH, 0)]


@pytest.mark.parametrize("shrink", [8, 4, 3.4, 2])
def test_work_of_a_cycle_is_a_few_sweeps_of_the_finest_level(shrink):
    """Voxels smoothed on the way down, in units of the finest level: below 2.5 = 1 / (1 - 0.6)."""
    sizes = [int(256**3 / shrink**n) for n in range(12)] + [1]
    visits = [sizes[n] for step, n in cycle_steps(sizes, 0, w_cycle=True)
              if step in (FROM_ZERO, SMOOTH)]
    assert (sum(visits) - sizes[0]) / 2 < 1.25 * sizes[0] * 2
    down = sum(sizes[n] for step, n in cycle_steps(sizes, 0, w_cycle=True) if step == RESTRICT)
    assert down < 2.5 * sizes[0]


# ---- symmetry and positivity -----------------------------------------------------------------

@pytest.mark.parametrize("cells", [(16, 15, 13), (1, 40, 40), (30, 3, 2), (5, 1, 1)])
@pytest.mark.parametrize("coupled", [True, False])
def test_preconditioner_is_symmetric_and_positive(backend, rng, cells, coupled):
    """y . M x = x . M y to rounding, x . M x > 0; with and without couplings to fixed values.

    A single-precision cycle of some hundred operations per voxel: 1e-5 of the norms' product.
    """
    grid = Grid(cells, (1.0, 1.0, 1.0))
    a, _ = conductances(rng, grid, 1e2)
    m = Multigrid(grid, backend, Domain(grid))
    m.set_operator(a, couplings(rng, grid, 0.1 * coupled))
    m.build_hierarchy()

    def apply(v):
        m.finest.b[...] = v
        product = m.apply()
        assert product == pytest.approx((v.astype("f4") * m.finest.x.astype(float)).sum(), rel=1e-5)
        return m.finest.x.astype(float)

    for _ in range(3):
        x, y = (padded(grid, rng.normal(size=grid.shape)) for _ in range(2))
        if not coupled:
            x, y = (padded(grid, v[grid.inner] - v[grid.inner].mean()) for v in (x, y))
        mx, my = apply(x), apply(y)
        size = np.linalg.norm(x) * np.linalg.norm(my) + np.linalg.norm(y) * np.linalg.norm(mx)
        assert abs((y * mx).sum() - (x * my).sum()) < 1e-5 * size
        assert (x * mx).sum() > 0


def test_preconditioner_is_exact_for_a_constant_with_weak_couplings(backend):
    """Couplings of 1e-9 of the faces: sum of b x = sum of f decides the mean.

    The error after one cycle is of single precision; a cycle that rounded differences of x
    instead of conductances would be off by 1e-8 / 1e-9.
    """
    grid = Grid((12, 11, 9), (1.0, 1.0, 1.0))
    a, _ = conductances(np.random.default_rng(77), grid, 1e2)
    m = Multigrid(grid, backend, Domain(grid))
    m.set_operator(a, padded(grid, np.full(grid.shape, 1e-9)))
    m.build_hierarchy()
    m.finest.b[grid.inner] = m.finest.coupling[grid.inner]
    m.apply()
    np.testing.assert_allclose(m.finest.x[grid.inner], 1.0, rtol=1e-5)


# ---- iterations ------------------------------------------------------------------------------

MEDIA = {
    "log-normal, contrast 1e4": lambda rng, shape: np.exp(1.5 * correlated(rng, shape, 4)),
    "binary, 1e4": lambda rng, shape: np.where(correlated(rng, shape, 4) > 0.5, 1e-4, 1.0),
    "uniform": lambda rng, shape: np.ones(shape)}


@pytest.mark.parametrize("name", MEDIA)
@pytest.mark.parametrize("n", [16, 32, 48])
def test_iterations_do_not_grow_with_the_grid(backend, rng, name, n):
    """Zero start to 1e-8 around electrodes: 16 at most on any of them, for every size."""
    grid = Grid((n, n, n), (1.0, 1.0, 1.0))
    solver, _, residual = solved(grid, backend, *ore(grid, MEDIA[name](rng, grid.shape)))
    assert solver.iterations <= 16 and residual < 1.01e-8 and solver.multigrid.w_cycle


@pytest.mark.parametrize("stretch", [0.01, 0.1, 4, 16, 100])
def test_iterations_on_anisotropic_media(backend, rng, stretch):
    """Conductances along z 0.01 to 100 times the others': 24 at most."""
    grid = Grid((32, 32, 32), (1.0, 1.0, 1.0))
    sigma = np.exp(1.5 * correlated(rng, grid.shape, 4))
    solver, _, residual = solved(grid, backend, *ore(grid, sigma, stretch))
    assert solver.iterations <= 24 and residual < 1.01e-8


@pytest.mark.parametrize("cells", [(31, 33, 35), (47, 5, 29), (64, 3, 2), (1, 90, 81), (200, 1, 7),
                                   (2, 2, 2), (3, 1, 1)])
def test_odd_thin_and_flat_grids_are_solved(backend, rng, cells):
    """Odd, thin and flat grids to a true residual of 1e-10: 25 iterations at most."""
    grid = Grid(cells, (1.0, 1.0, 1.0))
    a, b, f = ore(grid, np.exp(correlated(rng, grid.shape, 1)))
    b = b + padded(grid, rng.random(grid.shape) < 0.05)
    f = f + padded(grid, rng.normal(size=grid.shape)) * (b > 0)
    solver, _, residual = solved(grid, backend, a, b, f, 1e-10)
    assert solver.iterations <= 25 and residual < 1.01e-10


@pytest.mark.parametrize("cells", [(24, 24, 24), (40, 1, 33), (15, 9, 3)])
def test_cosine_in_a_closed_box(backend, cells):
    """Manufactured: prod cos(pi m (i + 1/2) / n) is an eigenvector in a uniform closed box.

    The eigenvalue is the sum of 4 sin^2(pi m / 2 n) over the axes (unit faces), plus the coupling.
    Without coupling (the mean is zero by itself) the solution is x = f / lambda all the same.
    """
    grid = Grid(cells, (1.0, 1.0, 1.0))
    for coupling in (0.0, 0.03):
        x, value = np.ones(grid.shape), coupling
        for axis, m in enumerate((1, 2, 3)):
            n = grid.shape[axis]
            if n > 1:
                angle = np.pi * m / n
                wave = np.cos(angle * (np.arange(n) + 0.5))
                x = x * wave.reshape([-1 if d == axis else 1 for d in range(3)])
                value += 4 * np.sin(angle / 2)**2
        a, _ = conductances(np.random.default_rng(3), grid, 1.0)
        solver, solution, _ = solved(grid, backend, a, padded(grid, np.full(grid.shape, coupling)),
                                     padded(grid, value * x), 1e-12)
        np.testing.assert_allclose(solution[grid.inner], x, atol=1e-9)
        assert solver.iterations <= 25


def test_islands_and_cavities(backend, rng):
    """Two separate bodies, each with couplings, and voxels that conduct nothing.

    Against a direct solution of the active voxels; the inactive ones keep their zero.
    """
    grid = Grid((14, 9, 8), (1.0, 1.0, 1.0))
    sigma = np.exp(correlated(rng, grid.shape, 2))
    sigma[:, :, 6] = 0.0                                     # a wall
    sigma[3:5, 3:5, 9:12] = 0.0                              # a cavity
    a, b, f = ore(grid, sigma)
    solver, x, residual = solved(grid, backend, a, b, f, 1e-11)
    active = (solver.multigrid.finest.inverse_diagonal > 0)[grid.inner].ravel()
    assert active.sum() < sigma[sigma > 0].size and residual < 1e-10
    A = matrix(grid, a, b)[active][:, active].toarray()
    exact = np.linalg.solve(A, f[grid.inner].ravel()[active])
    np.testing.assert_allclose(x[grid.inner].ravel()[active], exact, atol=1e-8)
    assert not x[grid.inner].ravel()[~active].any()


def test_v_cycle_takes_over_where_the_w_cycle_is_not_positive(backend):
    """Faces at random over six decades, each for itself, on a flat closed grid.

    For this seed the W-cycle is not positive (r . M r < 0 in the second iteration, in both
    backends); the V-cycle takes over, and the residual asked for is reached.
    """
    rng = np.random.default_rng(38)
    grid = Grid((100, 100, 1), (1.0, 1.0, 1.0))
    a, _ = conductances(rng, grid, 1e6)
    f = rng.normal(size=grid.shape)
    solver, _, residual = solved(grid, backend, a, np.zeros(grid.padded),
                                 padded(grid, f - f.mean()), 1e-6)
    assert not solver.multigrid.w_cycle and residual < 1.01e-6
    one = padded(grid, np.ones(grid.shape))             # another problem begins with W again
    ones = np.array([one] * 3)
    solver.solve(ones, one, one, np.zeros(grid.padded), "head")
    assert solver.multigrid.w_cycle
    solver.solve(ones, one, one, np.zeros(grid.padded), "potential")
    assert not solver.multigrid.w_cycle


def test_small_cycle_equals_separate_levels(backend, rng, monkeypatch):
    """The same cycle with small_cycle for all coarse levels and for the last one only.

    Levels from 50 voxels on are visited twice, so that second visits are among its steps.
    """
    monkeypatch.setattr(multigrid_cycle, "W_CYCLE_VOXELS", 50)
    grid = Grid((20, 17, 16), (1.0, 1.0, 1.0))
    a, b, f = ore(grid, np.exp(correlated(rng, grid.shape, 2)))
    answers = []
    for small in (agglomeration.SMALL, 1):
        monkeypatch.setattr(agglomeration, "SMALL", small)
        solver, x, _ = solved(grid, backend, a, b, f)
        answers.append((solver.iterations, x))
        assert solver.multigrid.hierarchy.small == (1 if small > 1 else 5)
    assert answers[0][0] == answers[1][0]
    np.testing.assert_allclose(answers[0][1], answers[1][1], atol=1e-6)


THREADS = """
import hashlib, numpy as np
from ekm3d.backends.choose import choose_backend
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.grid.grid import Grid
from helpers.elliptic_problems import ore
grid = Grid((41, 37, 33), (1.0, 1.0, 1.0))
a, b, f = ore(grid, np.exp(np.random.default_rng(91).normal(size=grid.shape)))
x = np.zeros(grid.padded)
EllipticSolver(grid, choose_backend("cpp"), Domain(grid), 1e-9).solve(a, b, f, x)
print(hashlib.sha256(x.tobytes()).hexdigest())
"""


def test_solution_is_the_same_for_any_number_of_threads(backend, monkeypatch):
    """To the last bit: sums are reproducible in any order."""
    if backend.name == "numpy":
        pytest.skip("NumPy runs on one thread")
    answers = set()
    for threads in "1", "2", "3":
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
        answers.add(subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True,
                                   check=True).stdout)
    assert len(answers) == 1
