"""Exact overlap of boxes and voxels: against intervals worked out one by one, and conservation."""

import numpy as np
import pytest

from ekm3d.grid import overlap
from ekm3d.grid.grid import Grid

GRID = Grid((5, 4, 3), (0.3, 0.25, 0.2), (1.0, -0.5, 2.0))


def boxes(rng, count, most=0.9):
    """Boxes around the grid, some of them outside."""
    middle = rng.uniform([0.5, -1.0, 1.6], [3.0, 1.0, 3.0], (count, 3))
    half = rng.uniform(0.01, most / 2, (count, 3))
    return middle - half, middle + half


def one_by_one(grid, low, high):
    """Volumes (boxes, nz, ny, nx) of all overlaps, from the lengths along each axis."""
    lengths = []
    for d in range(3):
        edges = grid.origin[d] + grid.spacing[d] * np.arange(grid.cells[d] + 1)
        lengths.append(np.clip(np.minimum(edges[1:], high[:, d, None])
                               - np.maximum(edges[:-1], low[:, d, None]), 0.0, None))
    return np.einsum("nx,ny,nz->nzyx", *lengths)


@pytest.mark.parametrize("most", [1, 7, 2**20])
def test_total_is_the_sum_of_all_overlaps(rng, most, monkeypatch):
    """60 boxes, pieces of any size: differences are those of the order of additions."""
    monkeypatch.setattr(overlap.pieces, "__defaults__", (most,))
    low, high = boxes(rng, 60)
    density = rng.uniform(1, 2, 60)
    wanted = np.einsum("nzyx,n->zyx", one_by_one(GRID, low, high), density)
    np.testing.assert_allclose(overlap.total(GRID, low, high, density), wanted, rtol=1e-12,
                               atol=1e-15)


def test_upscaling_conserves_mass_and_metal(rng):
    """Blocks of 0.1 m, in halves and quarters, fill a grid of other spacing: 1e-12.

    Amounts per kg are weighted by mass, densities by volume, so that both sums are those of the
    blocks; some thousand additions of rounding 1e-16 are far below.
    """
    ends = [np.sort(np.concatenate([[o, o + s], rng.uniform(o, o + s, 12)]))
            for o, s in zip(GRID.origin, GRID.size, strict=True)]
    low, high = (np.stack(np.meshgrid(*(e[cut] for e in ends), indexing="ij"), -1).reshape(-1, 3)
                 for cut in (slice(None, -1), slice(1, None)))
    density, grade = rng.uniform(1300, 1800, len(low)), rng.lognormal(6, 1, len(low))
    volume = (high - low).prod(axis=1)
    on_grid = overlap.mean(GRID, low, high, density)
    metal = overlap.mean(GRID, low, high, grade, density) * on_grid
    assert overlap.covered(GRID, low, high) == pytest.approx(1.0, rel=1e-12)
    assert on_grid.sum() * GRID.voxel_volume == pytest.approx(volume @ density, rel=1e-12)
    assert metal.sum() * GRID.voxel_volume == pytest.approx(volume @ (density * grade), rel=1e-12)


def test_mean_leaves_out_what_is_missing():
    """A voxel half in a block of 4 and half in one without a value has 4; without any, none."""
    low = np.array([[1.0, -0.5, 2.0], [1.15, -0.5, 2.0]])
    high = np.array([[1.15, 0.5, 2.6], [1.6, 0.5, 2.6]])
    found = overlap.mean(GRID, low, high, np.array([4.0, np.nan]))
    assert found[0, 0, 0] == 4.0 and np.isnan(found[:, :, 1:]).all()
    assert overlap.covered(GRID, low, high)[0, 0] == pytest.approx([1, 1, 0, 0, 0])


def test_category_of_most_volume_wins():
    """0.2 of a voxel in rock 1, 0.15 and 0.15 of it in two blocks of rock 0: rock 0."""
    grid = Grid((2, 1, 1), (1.0, 1.0, 1.0))
    low = np.array([[0.0, 0, 0], [0.2, 0, 0], [0.35, 0, 0]])
    high = np.array([[0.2, 1, 1], [0.35, 1, 1], [0.5, 1, 1]])
    found = overlap.largest_category(grid, low, high, np.array([1, 0, 0]))
    assert found.tolist() == [[[0, -1]]]
    assert overlap.largest_category(grid, low, high, np.array([1, -1, 0]))[0, 0, 0] == 1


def test_rounding_of_large_coordinates_covers_no_voxel():
    """A block that ends at a voxel's side, at 4.8e6 m: 1e-9 of the next voxel is not covered."""
    grid = Grid((2, 1, 1), (0.1, 1.0, 1.0), (4_800_000.1, 0.0, 0.0))
    low, high = np.array([[4_800_000.1, 0, 0]]), np.array([[4_800_000.1 + 0.1 + 2e-9, 1, 1]])
    assert np.isnan(overlap.mean(grid, low, high, np.array([3.0]))[0, 0]).tolist() == [False, True]
