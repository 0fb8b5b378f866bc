"""Operators of the multigrid preconditioner: smoothing, restriction, prolongation, coarse grids.

Cell-centred geometric multigrid for the 7-point operator A of `elliptic`, with rediscretised
coarse operators and semi-coarsening (see `multigrid_cycle` for the choice of axes and the cycle):

    (A x)_i = coupling_i x_i + sum_j face_ij (x_i - x_j),   D = diagonal of A    (every level)
    x <- x + w D^-1 (b - A x),  w = 1/(c + s), 1/(c - s): Chebyshev of degree 2  (smoother)
    P: constant on the children of a coarse voxel,  R = P^T                      (transfer)

A coarse face is the sum of the fine ones between two coarse voxels, halved along a coarsened
axis. The same polynomial smooths before and after the coarse-grid correction, hence the
preconditioner is symmetric. Levels are float32; differences of x are taken first, so that rounding
changes conductances by a few 1e-8 and nothing else.
"""

from itertools import product

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.parallel.reproducible_sum import segments

# Weights of the Chebyshev polynomial of degree 2 on [LARGEST/5, LARGEST] in two steps; the
# eigenvalues of D^-1 A end below 2.
LARGEST = 1.9                        # eigenvalue of D^-1 A assumed; fitted
CENTRE, REACH = LARGEST * 3 / 5, LARGEST * 2 / 5 * 0.5**0.5
FIRST, SECOND = 1 / (CENTRE + REACH), 1 / (CENTRE - REACH)
FROM_ZERO, SMOOTH, RESTRICT, PROLONG, SOLVE = range(5)          # steps of small_cycle
KERNEL_CONSTANTS = {
    "FIRST": np.float32(FIRST), "SECOND": np.float32(SECOND), "FROM_ZERO": FROM_ZERO,
    "SMOOTH": SMOOTH, "RESTRICT": RESTRICT, "PROLONG": PROLONG, "SOLVE": SOLVE}


class Level:
    """Arrays of one grid in one block: face (3, padded), coupling, inverse_diagonal, b, x, y.

    operator: the first three of them, in this order. y: second buffer of the smoother.
    """

    ARRAYS = 8

    def __init__(self, grid: Grid, block: Array) -> None:
        """block: flat float32 array of zeros, at least ARRAYS padded voxel arrays long."""
        arrays = block[:self.ARRAYS * int(np.prod(grid.padded))].reshape(-1, *grid.padded)
        self.grid, self.face = grid, arrays[:3]
        self.coupling, self.inverse_diagonal, self.b, self.x, self.y = arrays[3:]
        self.operator = self.face, self.coupling, self.inverse_diagonal


def coarsening_ratio(fine: int, coarse: int) -> int:
    """Return 2 for a coarsened axis, else 1, from its numbers of voxels."""
    return 2 if fine > coarse else 1


def by_children(a: Array, g: Grid, coarse: Grid) -> Array:
    """Return the padded array `a` as (mz, 2 or 1, my, 2 or 1, mx, 2 or 1): coarse voxel, child.

    Where g is odd the last children are ghosts.
    """
    split = [(m, coarsening_ratio(n, m)) for n, m in zip(g.shape, coarse.shape, strict=True)]
    covered = a[tuple(slice(GHOST, GHOST + m * ratio) for m, ratio in split)]
    return covered.reshape([n for pair in split for n in pair])


def sum_children(values: Array) -> Array:
    """Return the sum over the children of an array of `by_children`, always in the same order."""
    axes = (range(n) for n in values.shape[1::2])
    return sum(values[:, dz, :, dy, :, dx] for dz, dy, dx in product(*axes))


def residual(face: Array, coupling: Array, b: Array, x: Array) -> Array:
    """Return b - A x over all voxels and ghosts."""
    flat = x.ravel()
    out = (b - coupling * x).ravel()
    for axis, stride in enumerate((x.shape[1] * x.shape[2], x.shape[2], 1)):
        flow = face[axis].ravel()[:-stride] * (flat[stride:] - flat[:-stride])
        out[:-stride] += flow
        out[stride:] -= flow
    return out.reshape(x.shape)


def diagonal(g: Grid, face: Array, coupling: Array) -> Array:
    """Return the diagonal of A over the inner voxels; face: (3, padded)."""
    d = coupling[g.inner].copy()
    for axis, a in enumerate(face):
        d += a[g.inner]
        d += np.roll(a, 1, axis)[g.inner]
    return d


# ---- one level ---------------------------------------------------------------------------

@operator
def smooth_from_zero(g, face, coupling, inverse_diagonal, b, x):
    """x = both smoothing steps for A x = b from x = 0; padded float32."""
    first = FIRST * inverse_diagonal * b
    x[g.inner] = (first + SECOND * inverse_diagonal * residual(face, coupling, b, first))[g.inner]


@operator
def smooth(g, face, coupling, inverse_diagonal, b, x, weight, y):
    """y = x + weight D^-1 (b - A x), 0 in inactive voxels (those without any conductance)."""
    new = x + weight * inverse_diagonal * residual(face, coupling, b, x)
    y[g.inner] = np.where(inverse_diagonal > 0, new, 0)[g.inner]


@operator
def smooth_and_sum(g, face, coupling, inverse_diagonal, b, x, weight, y, sums):
    """y as of `smooth`; sums (nz, ny, segments): b y added up over every segment, in float64."""
    smooth(g, face, coupling, inverse_diagonal, b, x, weight, y)
    sums[...] = segments(g, b[g.inner].astype(float) * y[g.inner])


@operator
def restrict_residual(g, coarse, face, coupling, b, x, coarse_b):
    """Restriction: coarse_b = sum of b - A x over the children, which may be ghosts."""
    coarse_b[coarse.inner] = sum_children(by_children(residual(face, coupling, b, x), g, coarse))


@operator
def prolong(g, coarse, coarse_x, x):
    """Prolongation: x += coarse_x of the parent."""
    change = coarse_x[coarse.inner]
    for axis, n in enumerate(g.shape):
        if n > coarse.shape[axis]:
            change = change.repeat(2, axis)
    nz, ny, nx = g.shape
    x[g.inner] += change[:nz, :ny, :nx]


# ---- many small levels -------------------------------------------------------------------

@operator
def small_cycle(g, table, steps, entries, count, size, store):
    """Carry out steps (step, level, step, level, ...) on levels that lie in one array.

    table: four numbers per level, nx, ny, nz and the index in the store (float32) at which the
    level's arrays begin, in the order of Level. entries, count, size: lengths of table, steps and
    store.
    """
    levels = [Level(Grid((nx, ny, nz), g.spacing), store[start:])
              for nx, ny, nz, start in table.reshape(-1, 4).tolist()]
    for step, n in steps.reshape(-1, 2).tolist():
        level = levels[n]
        if step == SOLVE:
            inner = level.grid.inner
            level.x[inner] = (level.inverse_diagonal * level.b)[inner]
        elif step == FROM_ZERO:
            smooth_from_zero(level.grid, *level.operator, level.b, level.x)
        elif step == SMOOTH:
            smooth(level.grid, *level.operator, level.b, level.x, FIRST, level.y)
            smooth(level.grid, *level.operator, level.b, level.y, SECOND, level.x)
        elif step == RESTRICT:
            coarse = levels[n + 1]
            restrict_residual(level.grid, coarse.grid, level.face, level.coupling, level.b,
                              level.x, coarse.b)
        else:
            coarse = levels[n + 1]
            prolong(level.grid, coarse.grid, coarse.x, level.x)


# ---- set-up ------------------------------------------------------------------------------

@operator
def sum_coefficients(g, face, b, sums):
    """sums (5, nz, ny, segments): face, b, and 1 for every active voxel, by segment.

    face (3, padded), b: float64 as in `elliptic`. Active: the diagonal of A is positive.
    """
    for n, a in enumerate((*face, b)):
        sums[n] = segments(g, a[g.inner])
    sums[4] = segments(g, diagonal(g, face, b) > 0)


@operator
def scale_operator(g, face, b, scale, scaled_face, coupling, inverse_diagonal):
    """Finest level: scale times the operator in float32; faces (3, padded)."""
    for axis in range(3):
        scaled_face[axis][g.inner] = scale * face[axis][g.inner]
    coupling[g.inner] = scale * b[g.inner]
    d = (scale * diagonal(g, face, b)).astype(inverse_diagonal.dtype)
    inverse_diagonal[g.inner] = np.divide(1, d, out=np.zeros_like(d), where=d > 0)


@operator
def coarsen(g, coarse, face, coupling, coarse_face, coarse_coupling):
    """Coarse operator: faces halved along a coarsened axis, couplings added up."""
    coarse_coupling[coarse.inner] = sum_children(by_children(coupling, g, coarse))
    for axis in range(3):
        values = by_children(face[axis], g, coarse)
        if g.shape[axis] > coarse.shape[axis]:
            values = values.take([1], 2 * axis + 1) / 2      # of the child below the coarse face
        coarse_face[axis][coarse.inner] = sum_children(values)


@operator
def invert_diagonal(g, face, coupling, inverse_diagonal):
    """inverse_diagonal = 1 / diagonal of A, 0 in inactive voxels."""
    d = diagonal(g, face, coupling)
    inverse_diagonal[g.inner] = np.divide(1, d, out=np.zeros_like(d), where=d > 0)
