"""Links of voxels beside the elliptic operator: against a dense solution."""

import numpy as np
import pytest

from ekm3d.backends.choose import choose_backend
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.solvers.linked_voxels import LinkedVoxels


def test_the_solution_is_that_of_the_whole_matrix():
    """6 x 5 x 4 voxels, two blocks that share a voxel; the matrix is put together densely.

    A + diag(b) + M with M = -g T^-1 g: b - 0.9 g on the linked voxels stays positive. 1e-9 of the
    largest potential: the solver stops at 1e-11 of the source.
    """
    grid, backend = Grid((6, 5, 4), (0.1, 0.2, 0.3)), choose_backend("numpy")
    domain, rng = Domain(grid, backend), np.random.default_rng(7)
    face = backend.zeros((3, *grid.padded))
    inner = np.zeros(grid.padded, bool)
    inner[grid.inner] = True
    for axis in range(3):
        both = inner & np.roll(inner, -1, axis)
        face[axis][both] = rng.uniform(0.5, 2.0, both.sum())
    index = np.flatnonzero(inner)
    b, f = backend.zeros(grid.padded), backend.zeros(grid.padded)
    f[grid.inner] = rng.normal(size=grid.shape)
    voxels = [index[[3, 17, 40, 80]], index[[80, 90, 111]]]
    blocks = [-0.9 * np.full((v.size, v.size), 1 / v.size) for v in voxels]
    for v in voxels:
        b.ravel()[v] += 1.0
    link = LinkedVoxels(domain, voxels, blocks)
    x = backend.zeros(grid.padded)
    EllipticSolver(grid, backend, domain, 1e-11).solve(face, b, f, x, link=link)
    at = {v: n for n, v in enumerate(index)}
    dense = np.diag(b.ravel()[index])
    for axis, stride in enumerate((grid.padded[1] * grid.padded[2], grid.padded[2], 1)):
        for v in np.flatnonzero(face[axis]):
            n, m, a = at[v], at[v + stride], face[axis].ravel()[v]
            dense[[n, m], [n, m]] += a
            dense[[n, m], [m, n]] -= a
    for v, block in zip(voxels, blocks, strict=True):
        n = [at[i] for i in v]
        dense[np.ix_(n, n)] += block
    exact = np.linalg.solve(dense, f.ravel()[index])
    assert GHOST == 2
    assert x.ravel()[index] == pytest.approx(exact, abs=1e-9 * np.abs(exact).max())
