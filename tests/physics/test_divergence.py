"""Divergence and accumulation in voxels, by hand-made numbers and sums over the block."""

import numpy as np

from ekm3d.grid.grid import Grid
from ekm3d.grid.stencil import faces
from ekm3d.physics.divergence import accumulate, source_minus_divergence

GRID = Grid((5, 4, 3), (0.1, 0.2, 0.3))


def test_source_minus_divergence_of_one_voxel(backend):
    """Six faces of one voxel carry six primes up their axes: 2 - 3 + 5 - 7 + 11 - 13 = -5 stays.

    With 4 x 1.5 held and 0.25 given: 1.25, exactly. Neighbours lose or gain just their face.
    """
    amount, given, f = (np.zeros(GRID.padded) for _ in range(3))
    flow = np.zeros((3, *GRID.padded))
    k, j, i = 3, 3, 4
    amount[k, j, i], given[k, j, i] = 1.5, 0.25
    flow[0, k - 1, j, i], flow[0, k, j, i] = 2.0, 3.0
    flow[1, k, j - 1, i], flow[1, k, j, i] = 5.0, 7.0
    flow[2, k, j, i - 1], flow[2, k, j, i] = 11.0, 13.0
    backend.bind(source_minus_divergence, NK=1)(GRID, amount, given, flow, 4.0, f)
    assert f[k, j, i] == 1.25
    assert (f[k - 1, j, i], f[k + 1, j, i]) == (-2.0, 3.0)
    assert (f[k, j - 1, i], f[k, j + 1, i]) == (-5.0, 7.0)
    assert (f[k, j, i - 1], f[k, j, i + 1]) == (-11.0, 13.0)
    assert np.count_nonzero(f) == 7


def test_source_minus_divergence_sums_to_boundary_flux(backend, rng):
    """Faces inside cancel: the sum of f is what the outer faces let in. 1e-13 of 200 terms of 1."""
    amount, given, f = rng.normal(size=(3, *GRID.padded))
    flow = rng.normal(size=(3, *GRID.padded))
    backend.bind(source_minus_divergence, NK=1)(GRID, amount, given, flow, 0.0, f)
    entered = given[GRID.inner].sum()
    for axis in range(3):
        across = np.moveaxis(faces(flow[axis], axis), axis, 0)
        entered += across[0].sum() - across[-1].sum()
    assert abs(f[GRID.inner].sum() - entered) < 1e-13 * f[GRID.inner].size


def test_accumulate_every_component_but_no_ghosts(backend, rng):
    """total + share x gained, component by component; three roundings at most."""
    gained, total = rng.normal(size=(2, 3, *GRID.padded))
    before = total.copy()
    backend.bind(accumulate, NK=3)(GRID, gained, 0.37, total)
    np.testing.assert_allclose(total[GRID.inner], (before + 0.37 * gained)[GRID.inner],
                               rtol=0, atol=1e-15)
    before[GRID.inner] = total[GRID.inner] = 0.0
    assert np.array_equal(total, before)
